package classify

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"fx/internal/metrics"
	"fx/internal/progress"
	"fx/internal/training"
)

func readMetrics(t *testing.T, model string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(model, "metrics.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A MODEL holds the log of its training, and of none that it replaced.
func TestAModelHasItsLog(t *testing.T) {
	features, model := newStore(t, manifest(), "train", "val"), filepath.Join(t.TempDir(), "model")
	for _, solver := range []string{training.SGD, training.LBFGS} {
		o := fitOptions(features, model)
		o.LR, o.Solver = training.Defaults().LR, solver
		var told int
		fitted, err := Fit(t.Context(), o, func(metrics.Epoch) {
			told++
			time.Sleep(time.Millisecond) // a slow listener is no part of an epoch
		}, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		rows := readMetrics(t, model)
		want := []string{"epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds"}
		if solver == training.LBFGS {
			want = append(want[:1], want[2:]...)
		}
		if !reflect.DeepEqual(rows[0], want) || len(rows) != 1+len(fitted.Epochs) || told != len(fitted.Epochs) {
			t.Errorf("%s: columns %v, %d rows for %d epochs, of which %d were told", solver, rows[0], len(rows),
				len(fitted.Epochs), told)
		}
		last := rows[len(rows)-1]
		if loss, err := strconv.ParseFloat(last[len(last)-3], 64); err != nil ||
			loss != fitted.Epochs[len(fitted.Epochs)-1].ValLoss {
			t.Errorf("%s: last row %v, last epoch %+v", solver, last, fitted.Epochs[len(fitted.Epochs)-1])
		}
		var seconds float64
		for _, row := range rows[1:] {
			s, err := strconv.ParseFloat(row[len(row)-1], 64)
			if err != nil || s <= 0 {
				t.Errorf("%s: an epoch of %s seconds", solver, row[len(row)-1])
			}
			seconds += s
		}
		if listened := float64(told) * 0.001; seconds > fitted.Seconds-listened+0.01 {
			t.Errorf("%s: epochs of %g seconds together in a training of %g, of which it listened for %g", solver,
				seconds, fitted.Seconds, listened)
		}
		if found, err := filepath.Glob(filepath.Join(model, "*tfevents*")); err != nil || len(found) != 1 {
			t.Errorf("%s: event files %v, %v", solver, found, err)
		}
	}
}

// What is no MODEL keeps its files where a MODEL is refused.
func TestARefusedModelRemovesNothing(t *testing.T) {
	features := newStore(t, manifest(), "train", "val")
	note := filepath.Join(features, "metrics.csv")
	if err := os.WriteFile(note, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Fit(t.Context(), fitOptions(features, features), nil, progress.Discard); err == nil {
		t.Error("a model was written into a store")
	}
	if text, err := os.ReadFile(note); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
}
