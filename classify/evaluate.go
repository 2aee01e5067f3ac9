package classify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fx/extract"
	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/photoio"
	"fx/internal/progress"
	"fx/internal/store"
)

// maxMistakes is how many mistakes an Evaluation lists.
const maxMistakes = 20

// Evaluation is how well a MODEL does on labelled photos.
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

// EvaluateStore evaluates the MODEL by the embeddings of a store. split "" takes the val
// split of the training, else the only one. A MODEL that cross-validation evaluated is
// evaluated again on the same folds.
func EvaluateStore(ctx context.Context, model, features, split string) (Evaluation, error) {
	e, _, err := evaluateStore(ctx, model, features, split, nil)
	return e, err
}

// pathsOf names the photos of data, whose rows are the store's.
func pathsOf(s *store.Store, data head.Data) []string {
	paths := make([]string, len(data.Photos))
	for i, photo := range data.Photos {
		paths[i] = s.Rows()[photo.Rows[0]].Path
	}
	return paths
}

// sumsOf are the SHA-256 of the photos of data, whose rows are the store's.
func sumsOf(s *store.Store, data head.Data) []store.SHA256 {
	sums := make([]store.SHA256, len(data.Photos))
	for i, photo := range data.Photos {
		sums[i] = s.Rows()[photo.Rows[0]].SHA256
	}
	return sums
}

// evaluated is what a MODEL says of the photos of a store that it is evaluated on.
type evaluated struct {
	data    head.Data
	metrics metrics.Evaluation // one prediction for each of data's photos
	split   string
	notes   []string
}

// evaluateOn evaluates the MODEL (m, p) by a split of the store in the folder where,
// as EvaluateStore chooses it.
func evaluateOn(ctx context.Context, m modeldir.Model, p modeldir.Params, s *store.Store, split,
	where string) (evaluated, error) {
	if split == "" && m.Metrics.Folds > 0 && slices.Contains(s.Splits(), m.Metrics.TrainSplit) &&
		slices.Equal(s.Manifest.Classes, m.Classes) {
		return evaluateHeldOut(ctx, m, s, where)
	}
	var j evaluated
	var err error
	if j.data, j.split, j.notes, err = evaluationPhotos(s, m, split, where); err != nil {
		return j, err
	}
	if err := relabel(j.data.Photos, s.Manifest.Classes, m.Classes); err != nil {
		return j, err
	}
	j.notes = append(j.notes, learnedNotes(m, sumsOf(s, j.data), j.split)...)
	j.metrics, err = head.Evaluate(ctx, layoutOf(m.Head, len(m.Classes)), head.Params(p), j.data)
	return j, err
}

// evaluateHeldOut evaluates the kind of head that m is by cross-validation.
func evaluateHeldOut(ctx context.Context, m modeldir.Model, s *store.Store, where string) (evaluated, error) {
	l2, ok := m.Options["l2"].(float64)
	if !ok {
		return evaluated{}, fail.New(fail.Model, "Train it again.",
			"the model was evaluated by cross-validation, but does not say with which penalty")
	}
	data, err := dataOf(s, m.Metrics.TrainSplit)
	if err != nil {
		return evaluated{}, err
	}
	c, err := head.CrossValidate(ctx, layoutOf(m.Head, len(m.Classes)), data, head.CrossValidationOptions{
		Folds: m.Metrics.Folds, Seed: m.Metrics.SplitSeed, L2: []float64{l2}, Groups: copiesOf(s, data),
	}, progress.Discard)
	if err != nil {
		return evaluated{}, err
	}
	j := evaluated{data: data, metrics: c.Metrics, split: m.Metrics.ValSplit}
	if lacking := s.Incomplete(); lacking != "" {
		j.notes = append(j.notes, fmt.Sprintf("the store %s may lack rows: %s", where, lacking))
	}
	return j, nil
}

// sameFeatures refuses a store that another network or preprocessing made.
func sameFeatures(m modeldir.Model, s store.Manifest, features string) error {
	var differ []string
	if m.Backbone.GraphSHA256 != s.GraphSHA256 {
		differ = append(differ, fmt.Sprintf("backbone %s in the store, %s in the model", s.Backbone, m.Backbone.Name))
	}
	if m.Backbone.WeightsSHA256 != s.WeightsSHA256 {
		differ = append(differ, fmt.Sprintf("weights %s (SHA-256 %.12s…) in the store, %s (%.12s…) in the model",
			s.Weights, s.WeightsSHA256, m.Backbone.Weights, m.Backbone.WeightsSHA256))
	}
	if m.Preprocess != s.Preprocess {
		differ = append(differ, fmt.Sprintf("preprocessing %v in the store, %v in the model", s.Preprocess,
			m.Preprocess))
	}
	if m.FastDecode != s.FastDecode {
		differ = append(differ, fmt.Sprintf("fast decode: %v in the store, %v in the model", s.FastDecode,
			m.FastDecode))
	}
	if !slices.Equal(m.Head.FeatureShape, s.FeatureShape) {
		differ = append(differ, fmt.Sprintf("features %v in the store, %v in the model", s.FeatureShape,
			m.Head.FeatureShape))
	}
	if len(differ) == 0 {
		return nil
	}
	return fail.New(fail.Usage, "Name the store that the model was trained on, or evaluate it by photos with --data.",
		"the store %s does not fit the model: %s", features, strings.Join(differ, "; "))
}

// evaluationPhotos returns the photos of s to evaluate m on, what they are called, and
// what the user should know of them. Without a split they are those that the
// training evaluated on: held-out ones are drawn again.
func evaluationPhotos(s *store.Store, m modeldir.Model, split,
	where string) (data head.Data, name string, notes []string, err error) {
	if lacking := s.Incomplete(); lacking != "" {
		notes = append(notes, fmt.Sprintf("the store %s may lack rows: %s", where, lacking))
	}
	t := m.Metrics
	if split == "" && t.ValFraction > 0 && slices.Contains(s.Splits(), t.TrainSplit) {
		all, err := dataOf(s, t.TrainSplit)
		if err != nil {
			return data, "", nil, err
		}
		var copies []int
		if t.CopiesTogether {
			copies = copiesOf(s, all)
		}
		train, data, err := head.Split(all, t.ValFraction, t.SplitSeed, copies)
		notes = append(notes, leakNotes(s, train, data)...) // of a MODEL of an older fx
		return data, t.ValSplit, notes, err
	}
	if name, err = dataset.EvaluationSplit(where, s.Splits(), split, m.Metrics.ValSplit); err != nil {
		return data, "", nil, err
	}
	data, err = dataOf(s, name)
	return data, name, notes, err
}

// trainedOn warns where a model is evaluated on photos that it may have seen.
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

// relabel gives photos the model's label of their class's name.
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

// sumsOfFiles are the SHA-256 of photos that were read before; one that is gone by now has none.
func sumsOfFiles(ctx context.Context, files []string) ([]store.SHA256, error) {
	sums := make([]store.SHA256, len(files))
	for i, path := range files {
		file, err := photoio.Hash(ctx, path)
		var gone *photoio.Unusable
		if err != nil && !errors.As(err, &gone) {
			return nil, err
		}
		sums[i] = file.SHA256
	}
	return sums, nil
}

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

// EvaluateData evaluates the MODEL by a folder of labelled photos, whose classes
// are the model's; not all of them need be there. split is as for EvaluateStore.
func EvaluateData(ctx context.Context, o Options, data, split string, report progress.Reporter) (Evaluation, error) {
	photos, err := dataset.Scan(ctx, data, dataset.Options{
		Extensions: o.Extensions, NoFollowLinks: o.NoFollowLinks, ByName: true,
	})
	if err != nil {
		return Evaluation{}, err
	}
	m, p, err := modeldir.Load(o.Model)
	if err != nil {
		return Evaluation{}, err
	}
	if split, err = dataset.EvaluationSplit(data, photos.Splits, split, m.Metrics.ValSplit); err != nil {
		return Evaluation{}, err
	}
	var paths, names []string
	var labels []int
	for _, item := range photos.Items {
		if item.Split == split {
			paths, names, labels = append(paths, item.Path), append(names, item.Rel), append(labels, item.Label)
		}
	}
	c, err := open(ctx, o, m, p, len(paths), report)
	if err != nil {
		return Evaluation{}, err
	}
	defer c.close()
	rejected := []extract.BadPhoto{}
	for _, refused := range photos.Refused {
		if refused.Split == split {
			rejected = append(rejected, extract.BadPhoto{Path: refused.Rel, Reason: refused.Reason})
		}
	}
	var kept, files []string
	var keptLabels []int
	var features []float32
	err = extract.Photos(ctx, c.embedder, c.decoder, paths, report, func(i int, row []float32, reason string) error {
		if reason != "" {
			rejected = append(rejected, extract.BadPhoto{Path: names[i], Reason: reason})
			return nil
		}
		files = append(files, paths[i])
		kept, keptLabels, features = append(kept, names[i]), append(keptLabels, labels[i]), append(features, row...)
		return nil
	})
	if err != nil {
		return Evaluation{}, err
	}
	if len(kept) == 0 {
		return Evaluation{}, fail.New(fail.Rejected, "See the reasons above.", "no photo of %s can be used", data)
	}
	labelled := head.Data{Photos: head.SingleViews(keptLabels), Row: head.Matrix(features, c.embedder.FeatureLen())}
	if err := relabel(labelled.Photos, photos.Classes, m.Classes); err != nil {
		return Evaluation{}, err
	}
	found, err := head.Evaluate(ctx, c.layout(), c.params, labelled)
	if err != nil {
		return Evaluation{}, err
	}
	var sums []store.SHA256
	if m.Metrics.LearnedFrom != nil {
		if sums, err = sumsOfFiles(ctx, files); err != nil {
			return Evaluation{}, err
		}
	}
	m.Notes = slices.Concat(m.Notes, learnedNotes(m, sums, split), photos.Notes)
	r := newEvaluation(m, found, kept, split)
	r.Rejected = rejected
	for _, skipped := range photos.SkippedIn(split) {
		r.Skipped = append(r.Skipped, extract.SkippedFile(skipped))
	}
	return r, nil
}
