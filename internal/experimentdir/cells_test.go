package experimentdir_test

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/experimentdir"
	"fx/internal/metrics"
)

// matrix is an experiment of three cells, one of which has no finished run.
func matrix() experimentdir.Experiment {
	run := func(mode string, seed uint64, accuracy, seconds float64) experimentdir.Run {
		r := experimentdir.Run{Name: mode, Backbone: "alexnet", Mode: mode, Seed: seed, Weights: "seed:3",
			Seeded: mode != "scratch", Status: experimentdir.Pending}
		if accuracy > 0 {
			r.Status, r.Seconds = experimentdir.Finished, seconds
			r.Result = &experimentdir.Result{BestValAccuracy: accuracy, ImagesPerSecond: 10 * seconds,
				ParametersTrained: 7}
		}
		return r
	}
	return experimentdir.Experiment{
		Runs: []experimentdir.Run{
			run("finetune", 0, 0.9, 2), run("finetune", 1, 0.8, 4), run("scratch", 0, 0.5, 1), run("scratch", 1, 0,
				0), run("feature-extraction", 0, 0, 0),
		},
		References: []experimentdir.Reference{
			{Name: "published", Backbone: "alexnet", Beside: "alexnet", Mode: "scratch", BestValAccuracy: 0.6},
			{Name: "published", Backbone: "alexnet", Beside: "alexnet", Mode: "finetune", BestValAccuracy: 0.7},
		},
	}
}

func TestCells(t *testing.T) {
	e := matrix()
	cells := e.Cells()
	if len(cells) != 3 {
		t.Fatalf("%d cells", len(cells))
	}
	tuned, scratch, none := cells[0], cells[1], cells[2]
	if tuned.Runs != 2 || tuned.Accuracy.N != 2 || math.Abs(tuned.Accuracy.Mean-0.85) > 1e-12 ||
		math.Abs(tuned.Accuracy.SD-math.Sqrt(0.005)) > 1e-12 || tuned.Seconds != 3 || tuned.ImagesPerSecond != 30 {
		t.Errorf("finetune: %+v", tuned)
	}
	if tuned.Start() != "seed:3 (random, not trained)" || scratch.Start() != "random" {
		t.Errorf("they start from %q and %q", tuned.Start(), scratch.Start())
	}
	if scratch.Runs != 2 || scratch.Accuracy.N != 1 || scratch.Accuracy.Mean != 0.5 || scratch.Accuracy.SD != 0 {
		t.Errorf("scratch: %+v", scratch)
	}
	if none.Runs != 1 || none.Accuracy != (metrics.Stats{}) {
		t.Errorf("feature extraction: %+v", none)
	}
	if names := e.ReferenceNames(); len(names) != 1 {
		t.Errorf("references %v", names)
	}
	if r, found := e.Reference(tuned, "published"); !found || r.BestValAccuracy != 0.7 {
		t.Errorf("beside finetune: %+v", r)
	}
	if _, found := e.Reference(none, "published"); found {
		t.Error("a figure of another mode")
	}
}

func TestCSVHasALineForEachRun(t *testing.T) {
	dir, e := t.TempDir(), matrix()
	if err := experimentdir.WriteCSV(dir, e); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, experimentdir.ResultsName))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil || len(rows) != 1+len(e.Runs) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if got := strings.Join(rows[2], " "); got != "finetune alexnet finetune 1 seed:3 finished 0.8 0 4 40 7 " {
		t.Errorf("the second run is %q", got)
	}
	if rows[4][6] != "" {
		t.Errorf("a run without a result has accuracy %q", rows[4][6])
	}
}
