package classify

import (
	"fmt"
	"slices"
	"strings"

	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
)

// maxMistakes is the largest number of mistakes that an Evaluation lists.
const maxMistakes = 20

// Evaluation is the evaluation of a MODEL on labelled photos.
type Evaluation struct {
	metrics.Evaluation
	Photos   int                `json:"photos"`
	Split    string             `json:"split"`
	Mistakes []Mistake          `json:"mistakes"` // the most confident first
	Rejected []extract.BadPhoto `json:"rejected"`
	Skipped  []extract.BadPhoto `json:"skipped,omitempty"` // files that are no photos
	Notes    []string           `json:"notes"`
}

// Mistake is a wrong prediction.
type Mistake struct {
	Path        string  `json:"path"`
	Class       string  `json:"class"`
	Predicted   string  `json:"predicted"`
	Probability float64 `json:"probability"` // of Predicted
}

// trainedOn returns a note if split is the one that the model was trained on.
func trainedOn(m modeldir.Model, split string) []string {
	if split != m.Metrics.TrainSplit {
		return nil
	}
	if split == "" {
		return []string{"the model was trained on photos without splits: if they are these, the accuracy says little " +
			"about new photos"}
	}
	return []string{fmt.Sprintf("the model was trained on photos of the split %q: the accuracy says little about new "+
		"photos", split)}
}

// relabel replaces the labels of photos, indexes into theirs, by those of the same classes in ours.
func relabel(photos []head.Photo, theirs, ours []string) error {
	label := make([]int, len(theirs))
	for i, name := range theirs {
		label[i] = slices.Index(ours, name)
	}
	for i := range photos {
		old := photos[i].Label
		if label[old] < 0 {
			for _, class := range ours {
				if differ := dataset.LookAlike(theirs[old], class); differ != "" {
					return fail.New(fail.Usage, "Rename the folder or the label as the model writes it.",
						"the model does not know the class %s: %s", theirs[old], differ)
				}
			}
			return fail.New(fail.Usage, fmt.Sprintf("The model knows %s.", strings.Join(ours, ", ")),
				"the model does not know the class %q", theirs[old])
		}
		photos[i].Label = label[old]
	}
	return nil
}

// newEvaluation returns the Evaluation of m on the photos at paths, from their predictions.
func newEvaluation(m modeldir.Model, of metrics.Evaluation, paths []string, split string) Evaluation {
	e := Evaluation{
		Evaluation: of, Photos: len(of.Predictions), Split: split,
		Mistakes: []Mistake{}, Rejected: []extract.BadPhoto{}, Notes: append([]string{}, m.Notes...),
	}
	for i := range e.Classes {
		e.Classes[i].Name = m.Classes[i]
	}
	for _, p := range of.Mistakes(maxMistakes) {
		e.Mistakes = append(e.Mistakes, Mistake{paths[p.Photo], m.Classes[p.Label], m.Classes[p.Class], p.Probability})
	}
	return e
}
