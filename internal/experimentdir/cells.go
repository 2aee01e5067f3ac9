package experimentdir

import (
	"slices"

	"gonum.org/v1/gonum/stat"

	"fx/internal/modeldir"
)

// Cell sums up the runs of a backbone and a mode.
type Cell struct {
	Backbone, Mode    string
	Weights           string  // what they start from; "random" from scratch
	Seeded            bool    // as of Run
	Runs              int     // that are finished; without one the figures below are 0
	Mean, SD          float64 // of the best val accuracies; SD is that of a sample, 0 for a single run
	Seconds           float64 // mean
	ImagesPerSecond   float64 // mean
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
			cells = append(cells, Cell{Backbone: run.Backbone, Mode: run.Mode, Weights: startOf(run), Seeded: run.Seeded})
		}
		if run.Status != Finished || run.Result == nil {
			continue
		}
		c := &cells[i]
		c.Runs++
		accuracies[i] = append(accuracies[i], run.Result.BestValAccuracy)
		c.Seconds += run.Seconds
		c.ImagesPerSecond += run.Result.ImagesPerSecond
		c.ParametersTrained = run.Result.ParametersTrained
	}
	for i := range cells {
		c := &cells[i]
		if c.Runs == 0 {
			continue
		}
		c.Mean, c.SD = stat.MeanStdDev(accuracies[i], nil)
		if c.Runs == 1 {
			c.SD = 0 // unknown, and no number
		}
		c.Seconds /= float64(c.Runs)
		c.ImagesPerSecond /= float64(c.Runs)
	}
	return cells
}

// startOf says what the runs of a cell start from, whatever their seed.
func startOf(run Run) string {
	switch {
	case run.Mode == modeldir.Scratch:
		return "random"
	case run.Seeded:
		return run.Weights + " (random, not trained)"
	}
	return run.Weights
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

// Reference returns the figure of the name that belongs beside a cell.
func (e Experiment) Reference(c Cell, name string) (Reference, bool) {
	for _, r := range e.References {
		if r.Name == name && r.Beside == c.Backbone && r.Mode == c.Mode {
			return r, true
		}
	}
	return Reference{}, false
}
