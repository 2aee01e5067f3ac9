package classify

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"fx/extract"
	"fx/head"
	"fx/internal/checksum"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/userfile"
)

// quickstartVersion is the version of summary.json that this package writes and reads.
const quickstartVersion = 1

// quickstartJSON is the name of the summary for programs.
const quickstartJSON = "summary.json"

// maxMislabelled is the largest number of photos with suspicious labels in a summary.
const maxMislabelled = 20

// QuickstartSummary is the content of summary.json: the results of Quickstart. Text describes them in plain words.
type QuickstartSummary struct {
	FormatVersion int    `json:"format_version"`
	InputsSHA256  string `json:"inputs_sha256"` // of everything that the result depends on
	// ModelSHA256 is that of the model.json from which the rest was made; "" in summaries of an older fx.
	ModelSHA256 string          `json:"model_sha256"`
	Unchanged   bool            `json:"unchanged"` // an earlier run made everything
	Data        string          `json:"data"`
	Out         string          `json:"out"`
	Files       QuickstartFiles `json:"files"`

	Backbone      string            `json:"backbone"`
	Weights       string            `json:"weights"`
	WeightsOrigin string            `json:"weights_origin"`
	Extract       extract.Summary   `json:"extract"`
	TrainSplit    string            `json:"train_split"` // "" if the folder contains only classes
	Classes       []QuickstartClass `json:"classes"`

	Solver          string               `json:"solver,omitempty"` // "" in summaries of an older fx: lbfgs
	L2              float64              `json:"l2"`               // the penalty chosen, see head.Options; 0 for sgd
	CrossValidation head.CrossValidation `json:"cross_validation"`
	Evaluation      QuickstartEvaluation `json:"judged"`

	Mislabelled      []Mislabelled `json:"mislabelled"` // the most probable first, at most 20
	MislabelledInAll int           `json:"mislabelled_in_all"`
	Twins            []Twin        `json:"twins"`
	Leaked           int           `json:"leaked"` // val photos that are also training photos; left out
	ClassifierBytes  int64         `json:"classifier_bytes"`
	Notes            []string      `json:"notes"`
	Untrained        string        `json:"-"`                     // as in backbones.Description
	PhotoNotes       []string      `json:"photo_notes,omitempty"` // about the folder, see dataset.Dataset
}

// QuickstartClass counts the photos of a class.
type QuickstartClass struct {
	Name  string `json:"name"`
	Train int    `json:"train"` // to train on
	Val   int    `json:"val"`   // for evaluation
}

// Mislabelled is a photo whose label looks wrong, see head.LabelIssues.
type Mislabelled struct {
	Path               string  `json:"path"`
	Class              string  `json:"class"`
	Suggested          string  `json:"suggested"`
	Probability        float64 `json:"probability"` // of Suggested
	ProbabilityOfClass float64 `json:"probability_of_class"`
}

// Twin is a pair of files with the same content in two classes.
type Twin struct {
	Paths   [2]string `json:"paths"`
	Classes [2]string `json:"classes"`
}

// QuickstartFiles are the paths of Quickstart's outputs.
type QuickstartFiles struct {
	Features   string `json:"features"`
	Model      string `json:"model"`
	Classifier string `json:"classifier"`
	Report     string `json:"report"` // HTML, which the caller makes from Model
	Picture    string `json:"picture"`
	Text       string `json:"text"`
	JSON       string `json:"json"`
}

func quickstartFilesIn(out string) QuickstartFiles {
	in := func(name string) string { return filepath.Join(out, name) }
	return QuickstartFiles{
		Features: in("features"), Model: in("model"), Classifier: in("classifier.onnx"),
		Report: in("report.html"), Picture: in("confusion.png"),
		Text: in("summary.txt"), JSON: in(quickstartJSON),
	}
}

// readQuickstart returns the summary of an earlier run if all its files exist.
func readQuickstart(files QuickstartFiles) (QuickstartSummary, bool) {
	var s QuickstartSummary
	text, err := userfile.ReadJSON(files.JSON)
	if err != nil || checksum.Verify(files.JSON, text) != nil || json.Unmarshal(text, &s) != nil ||
		s.FormatVersion != quickstartVersion {
		return s, false
	}
	if s.ModelSHA256 != "" && s.ModelSHA256 != modeldir.SHA256(files.Model) {
		return s, false
	}
	if _, _, err := modeldir.Load(files.Model); err != nil {
		return s, false
	}
	if info, err := os.Stat(files.Classifier); err != nil || info.Size() != s.ClassifierBytes {
		return s, false
	}
	_, err = os.Stat(files.Picture)
	return s, err == nil
}

// save writes the summary in both forms, together with the files that with replaces, if it is not nil.
func (s *QuickstartSummary) save(with func(*durable.Replacement) error) error {
	r, err := durable.Replace(s.Out, quickstartJSON)
	if errors.Is(err, durable.ErrLocked) {
		return fail.Wrap(fail.Locked, err, "Wait until it has ended, or choose another --out.",
			"another fx quickstart writes %s", s.Out)
	}
	if err == nil {
		defer r.Close()
		err = s.replace(r, with)
	}
	if err != nil && fail.HintOf(err) == "" {
		return fail.Wrap(fail.Usage, err, "Choose a folder that fx may write with --out.",
			"write the summary in %s", s.Out)
	}
	return err
}

func (s *QuickstartSummary) replace(r *durable.Replacement, with func(*durable.Replacement) error) error {
	if with != nil {
		if err := with(r); err != nil {
			return err
		}
	}
	var text strings.Builder
	s.Text(&text)
	err := r.Write(filepath.Base(s.Files.Text), func(path string) error {
		return durable.WriteBytes(path, []byte(text.String()))
	})
	if err != nil {
		return err
	}
	made := *s
	made.Unchanged = false // it records what was made, not what this run did
	made.ModelSHA256 = modeldir.SHA256(s.Files.Model)
	document, err := checksum.Marshal(made)
	if err != nil {
		return err
	}
	return r.Commit(document)
}
