package experimentdir

import (
	"slices"

	"fx/internal/metrics"
	"fx/internal/modeldir"
)

// Cell summarizes the runs of a backbone and a mode. Its results are those of finished runs, 0 if there are none.
type Cell struct {
	Backbone, Mode    string
	Weights           string        // as of Run, see Start
	Seeded            bool          // as of Run
	Runs              int           // planned
	Accuracy          metrics.Stats // of the best val accuracies of finished runs
	Seconds           float64       // mean
	ImagesPerSecond   float64       // mean
	ParametersTrained int
}

// Cells returns the experiment's cells in the order of its runs.
func (e Experiment) Cells() []Cell {
	var cells []Cell
	accuracies := map[int][]float64{}
	for _, run := range e.Runs {
		i := slices.IndexFunc(cells, func(c Cell) bool { return c.Backbone == run.Backbone && c.Mode == run.Mode })
		if i < 0 {
			i = len(cells)
			cells = append(cells, Cell{Backbone: run.Backbone, Mode: run.Mode, Weights: run.Weights})
		}
		c := &cells[i]
		c.Runs++
		c.Seeded = c.Seeded || run.Seeded
		if run.Status != Finished || run.Result == nil {
			continue
		}
		accuracies[i] = append(accuracies[i], run.Result.BestValAccuracy)
		c.Seconds += run.Seconds
		c.ImagesPerSecond += run.Result.ImagesPerSecond
		c.ParametersTrained = run.Result.ParametersTrained
	}
	for i := range cells {
		c := &cells[i]
		c.Accuracy = metrics.Over(accuracies[i])
		if n := float64(c.Accuracy.N); n > 0 {
			c.Seconds /= n
			c.ImagesPerSecond /= n
		}
	}
	return cells
}

// Start says what the runs start from, whatever their seed.
func (c Cell) Start() string {
	switch {
	case c.Mode == modeldir.Scratch:
		return "random"
	case c.Seeded:
		return c.Weights + " (random, not trained)"
	}
	return c.Weights
}

// ReferenceNames lists the names of the references, each once.
func (e Experiment) ReferenceNames() []string {
	var names []string
	for _, r := range e.References {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

// Reference returns the reference result of that name for a cell.
func (e Experiment) Reference(c Cell, name string) (Reference, bool) {
	for _, r := range e.References {
		if r.Name == name && r.Beside == c.Backbone && r.Mode == c.Mode {
			return r, true
		}
	}
	return Reference{}, false
}
