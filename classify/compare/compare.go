package compare

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/modeldir"
)

// Kinds of comparisons.
const (
	Models      = "models"
	Experiments = "experiments"
)

// Comparison contains the differences of B from A.
type Comparison struct {
	Kind     string      `json:"kind"` // Models or Experiments
	A        Side        `json:"a"`
	B        Side        `json:"b"`
	Settings Differences `json:"settings"`

	// Of two MODELs.
	Results  []Result  `json:"results,omitempty"` // without equal ones, except the accuracy
	Equal    int       `json:"equal_results,omitempty"`
	Accuracy *Accuracy `json:"accuracy,omitempty"`

	// Of two experiments: each combination of backbone and mode in either.
	Means []Mean `json:"means,omitempty"`
}

// Side is one of the two folders.
type Side struct {
	Folder string   `json:"folder"`
	Title  string   `json:"title"`
	Notes  []string `json:"notes"` // such as one about random weights
}

// Differences are the settings that differ, by the names of their flags if they have flags.
type Differences struct {
	Differ []Difference   `json:"differ"`
	OnlyA  map[string]any `json:"only_a"` // settings that the other side does not have
	OnlyB  map[string]any `json:"only_b"`
	Equal  int            `json:"equal"`
}

// Difference is a setting with two values.
type Difference struct {
	Name string `json:"name"`
	A    any    `json:"a"`
	B    any    `json:"b"`
}

// Result is a numeric result of both trainings.
type Result struct {
	Name       string  `json:"name"`
	A          float64 `json:"a"`
	B          float64 `json:"b"`
	Difference float64 `json:"difference"` // B − A
}

// Folders compares two MODELs, or two experiments. Errors: fail.Usage for other folders, and for a MODEL and an
// experiment; those of modeldir.Load and experimentdir.Load.
func Folders(ctx context.Context, a, b string) (Comparison, error) {
	kindA, err := kindOf(a)
	if err != nil {
		return Comparison{}, err
	}
	kindB, err := kindOf(b)
	if err != nil {
		return Comparison{}, err
	}
	if kindA != kindB {
		experiment := a
		if kindB == Experiments {
			experiment = b
		}
		return Comparison{}, fail.New(fail.Usage,
			"Name two MODELs, such as one of those in "+filepath.Join(experiment, "runs")+", or two experiments.",
			"%s is an experiment, and the other is a MODEL", experiment)
	}
	if kindA == Experiments {
		return experiments(a, b)
	}
	return models(ctx, a, b)
}

// kindOf returns whether a folder contains a MODEL or an experiment.
func kindOf(dir string) (string, error) {
	unfinished := modeldir.Unfinished(dir)
	switch {
	case experimentdir.Is(dir):
		return Experiments, nil
	case modeldir.Is(dir):
		return Models, nil
	case unfinished != nil:
		return "", unfinished
	}
	const hint = "Name the folders of two MODELs, or of two experiments."
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", fail.New(fail.Usage, hint, "there is no folder %s", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, experimentdir.FileName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fail.Wrap(fail.Usage, err, hint, "%s can't be read", dir)
	}
	return "", fail.New(fail.Usage, "Name folders that `fx fit-head`, `fx finetune` or `fx experiment run` wrote.",
		"%s is neither a MODEL nor an experiment: it has no model.json and no %s", dir, experimentdir.FileName)
}
