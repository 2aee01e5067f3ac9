package classify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"fx/extract"
	"fx/head"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/userfile"
)

// QuickstartVersion is the version of summary.json that this package writes and reads.
const QuickstartVersion = 1

// quickstartJSON is the name of the summary for programs.
const quickstartJSON = "summary.json"

// maxMislabelled is how many photos with suspicious labels a summary lists.
const maxMislabelled = 20

// QuickstartSummary is the content of summary.json: what Quickstart made, and
// how good it is. Text says it in plain words.
type QuickstartSummary struct {
	FormatVersion int             `json:"format_version"`
	InputsSHA256  string          `json:"inputs_sha256"` // of all that the result depends on
	Unchanged     bool            `json:"unchanged"`     // an earlier run had made all this
	Data          string          `json:"data"`
	Out           string          `json:"out"`
	Files         QuickstartFiles `json:"files"`

	Backbone      string            `json:"backbone"`
	Weights       string            `json:"weights"`
	WeightsOrigin string            `json:"weights_origin"`
	Extract       extract.Summary   `json:"extract"`
	TrainSplit    string            `json:"train_split"` // "" where the folder holds classes alone
	Classes       []QuickstartClass `json:"classes"`

	L2              float64              `json:"l2"` // the penalty chosen, see head.Options
	CrossValidation head.CrossValidation `json:"cross_validation"`
	Judged          Judgement            `json:"judged"`

	Mislabelled      []Mislabelled `json:"mislabelled"` // the surest first, at most 20
	MislabelledInAll int           `json:"mislabelled_in_all"`
	Twins            []Twin        `json:"twins"`
	Leaked           int           `json:"leaked"` // photos to judge by that are also there to learn from: left out
	ClassifierBytes  int64         `json:"classifier_bytes"`
	Notes            []string      `json:"notes"`
}

// QuickstartClass counts the photos of a class.
type QuickstartClass struct {
	Name  string `json:"name"`
	Train int    `json:"train"` // to learn from
	Val   int    `json:"val"`   // kept to judge by
}

// Mislabelled is a photo that looks as if it lay in the wrong folder, see head.LabelIssues.
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

// QuickstartFiles are the paths of what Quickstart makes.
type QuickstartFiles struct {
	Features   string `json:"features"`
	Model      string `json:"model"`
	Classifier string `json:"classifier"`
	Report     string `json:"report"` // HTML, which the caller makes of Model: reports see all rooms
	Picture    string `json:"picture"`
	Text       string `json:"text"`
	JSON       string `json:"json"`
}

func quickstartFilesIn(out string) QuickstartFiles {
	in := func(name string) string { return filepath.Join(out, name) }
	return QuickstartFiles{
		Features: in("features"), Model: in("model"), Classifier: in("classifier.onnx"), Report: in("report.html"), Picture: in("confusion.png"),
		Text: in("summary.txt"), JSON: in(quickstartJSON),
	}
}

// readQuickstart returns the summary of an earlier run whose files are all there.
func readQuickstart(files QuickstartFiles) (QuickstartSummary, bool) {
	var s QuickstartSummary
	text, err := userfile.ReadJSON(files.JSON)
	if err != nil || json.Unmarshal(text, &s) != nil || s.FormatVersion != QuickstartVersion {
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

// save writes the summary in both forms, the one that speaks for all last.
func (s QuickstartSummary) save() error {
	var text strings.Builder
	s.Text(&text)
	err := durable.WriteBytes(s.Files.Text, []byte(text.String()))
	if err == nil {
		s.Unchanged = false // what was made, not what this run did
		var document []byte
		if document, err = json.MarshalIndent(s, "", "  "); err == nil {
			err = durable.WriteBytes(s.Files.JSON, append(document, '\n'))
		}
	}
	return fail.Wrap(fail.KindOf(err), err, "Choose a folder that fx may write with --out.", "write the summary in %s", s.Out)
}
