package experimentdir_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/flipbits"
)

// No flipped bit of an experiment.json is read as another result, and an edit is
// named as one.
func TestNoFlippedBitMakesAnotherExperiment(t *testing.T) {
	dir := t.TempDir()
	saved := experimentdir.Experiment{
		Name: "two", Title: "Two ways", Settings: map[string]any{"lr": 0.001, "epochs": 2.0},
		Runs: []experimentdir.Run{{Name: "a", Mode: "finetune", Status: experimentdir.Finished, Dir: "runs/a",
			Result: &experimentdir.Result{BestValAccuracy: 0.875}}},
	}
	if err := experimentdir.Save(dir, saved); err != nil {
		t.Fatal(err)
	}
	want, err := experimentdir.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	n := flipbits.EachFile(t, dir, 1, func(damaged string) {
		got, err := experimentdir.Load(dir)
		if err != nil {
			refused++
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: opens as %+v", damaged, got)
		}
	})
	if refused < n*9/10 {
		t.Errorf("%d of %d flipped bits are seen", refused, n)
	}

	path := filepath.Join(dir, experimentdir.FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "0.875", "0.975", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := experimentdir.Load(dir); fail.KindOf(err) != fail.Model ||
		!strings.Contains(err.Error(), "was changed after fx wrote it") || fail.HintOf(err) == "" {
		t.Errorf("edited: %v", err)
	}
}
