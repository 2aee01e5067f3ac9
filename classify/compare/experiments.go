package compare

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"fx/internal/experimentdir"
)

// Mean compares the runs of two experiments for a backbone and a mode.
type Mean struct {
	Backbone string `json:"backbone"`
	Mode     string `json:"mode"`
	A        Group  `json:"a"`
	B        Group  `json:"b"`

	// B − A, if both have finished runs.
	Difference *float64 `json:"difference,omitempty"`
	// The 95 % interval of the difference by Welch's t, if both have two finished runs or more. It covers only the
	// seeds, because the val photos are the same.
	Low          *float64 `json:"low,omitempty"`
	High         *float64 `json:"high,omitempty"`
	WithinChance *bool    `json:"within_chance,omitempty"`
}

// Group summarizes the finished runs of an experiment for a backbone and a mode.
type Group struct {
	Runs            int     `json:"runs"`              // finished
	Planned         int     `json:"planned"`           // all runs
	BestValAccuracy float64 `json:"best_val_accuracy"` // mean
	SD              float64 `json:"sd"`                // over the runs, 0 for one
	Seconds         float64 `json:"seconds"`           // mean
	Seeded          bool    `json:"seeded"`            // from random weights instead of pretrained ones
	Weights         string  `json:"weights,omitempty"` // the initial ones
}

// experiments compares two experiments.
func experiments(a, b string) (Comparison, error) {
	ea, err := experimentdir.Load(a)
	if err != nil {
		return Comparison{}, err
	}
	eb, err := experimentdir.Load(b)
	if err != nil {
		return Comparison{}, err
	}
	return Comparison{
		Kind: Experiments, A: experimentSide(a, ea), B: experimentSide(b, eb),
		Settings: differences(experimentSettings(ea), experimentSettings(eb)),
		Means:    means(ea.Cells(), eb.Cells()),
	}, nil
}

func experimentSide(dir string, e experimentdir.Experiment) Side {
	title := e.Title
	if title == "" {
		title = e.Name
	}
	return Side{Folder: dir, Title: title, Notes: append([]string{}, e.Notes...)}
}

func experimentSettings(e experimentdir.Experiment) map[string]any {
	all := map[string]any{"name": e.Name, "data": e.Data.Dir, "data (SHA-256)": e.Data.SHA256, "machine": e.Machine,
		"runs": len(e.Runs)}
	for name, value := range e.Settings {
		flatten(all, name, plain(value))
	}
	for name, version := range e.Versions {
		all["version of "+name] = version
	}
	return all
}

// means pairs the cells of two experiments, in the order of A, followed by the cells that only B has.
func means(a, b []experimentdir.Cell) []Mean {
	type name struct{ backbone, mode string }
	var order []name
	groups := map[name]*[2]Group{}
	for side, cells := range [][]experimentdir.Cell{a, b} {
		for _, c := range cells {
			n := name{c.Backbone, c.Mode}
			if groups[n] == nil {
				order, groups[n] = append(order, n), &[2]Group{}
			}
			groups[n][side] = Group{
				Runs: c.Accuracy.N, Planned: c.Runs, BestValAccuracy: c.Accuracy.Mean, SD: c.Accuracy.SD,
				Seconds: c.Seconds, Seeded: c.Seeded, Weights: c.Weights,
			}
		}
	}
	var all []Mean
	for _, n := range order {
		all = append(all, newMean(n.backbone, n.mode, groups[n][0], groups[n][1]))
	}
	return all
}

func newMean(backbone, mode string, a, b Group) Mean {
	m := Mean{Backbone: backbone, Mode: mode, A: a, B: b}
	if a.Runs == 0 || b.Runs == 0 {
		return m
	}
	difference := b.BestValAccuracy - a.BestValAccuracy
	m.Difference = &difference
	if a.Runs < 2 || b.Runs < 2 {
		return m
	}
	half := welch(a.SD, a.Runs, b.SD, b.Runs)
	low, high := difference-half, difference+half
	within := low <= 0 && high >= 0
	m.Low, m.High, m.WithinChance = &low, &high, &within
	return m
}

// welch returns half the 95 % interval of the difference of two means. Source: Welch, Biometrika 34 (1947);
// scipy.stats.ttest_ind(equal_var=False).confidence_interval().
func welch(sdA float64, runsA int, sdB float64, runsB int) float64 {
	va, vb := sdA*sdA/float64(runsA), sdB*sdB/float64(runsB)
	if va+vb == 0 {
		return 0
	}
	freedom := (va + vb) * (va + vb) / (va*va/float64(runsA-1) + vb*vb/float64(runsB-1))
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile(0.975) * math.Sqrt(va+vb)
}

// Sentence describes the significance of the difference, or is "" if it is unknown.
func (m Mean) Sentence() string {
	switch {
	case m.WithinChance == nil:
		return ""
	case *m.WithinChance:
		return fmt.Sprintf("within the spread of the seeds (95 %% interval %+.4f to %+.4f)", *m.Low, *m.High)
	}
	return fmt.Sprintf("more than the spread of the seeds (95 %% interval %+.4f to %+.4f)", *m.Low, *m.High)
}
