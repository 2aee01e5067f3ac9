package finetune

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/rangetest"
)

// A range test does a run's updates: at a rate that hardly rises its losses are those
// of the run's first epoch.
func TestRangeTestDoesTheUpdatesOfARun(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 20, 2) // 40 photos
	o := small(data, filepath.Join(t.TempDir(), "run"))
	o.Epochs, o.BatchSize, o.LR = 1, 2, 0.001
	for _, accumulate := range []int{0, 3} { // 20 updates an epoch, and 7, the last of which is short
		o.Accumulate = accumulate
		test := rangetest.Options{MinLR: o.LR, MaxLR: o.LR * (1 + 1e-9), Steps: 20, Repeats: 1}
		r, err := RangeTest(t.Context(), o, test, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		o.Out = filepath.Join(t.TempDir(), "run")
		run, err := Run(t.Context(), o, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var sum, photos float64
		for i, s := range r.Steps[:min(20, 20/max(1, accumulate)+1)] {
			of := float64(2 * max(1, accumulate))
			if accumulate == 3 && i == 6 {
				of = 4
			}
			sum, photos = sum+s.Loss*of, photos+of
		}
		if photos != 40 || math.Abs(sum/photos-run.Epochs[0].TrainLoss) > 1e-7 {
			t.Errorf("accumulate %d: the test's mean loss over %g photos is %g, the run's %g", accumulate, photos,
				sum/photos, run.Epochs[0].TrainLoss)
		}
	}
}

// Repeats start from the same network, the same call gives the same bits, and nothing is written.
func TestRangeTest(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 5, 2)
	bad := filepath.Join(data, "train", "red", "bad.jpg")
	if err := os.WriteFile(bad, []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	o := small(data, "")
	o.LR, o.Epochs = 0, 0 // have no part in it
	test := rangetest.Options{MinLR: 1e-3, MaxLR: 1, Steps: 40, Repeats: 2}
	first, err := RangeTest(t.Context(), o, test, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	again, err := RangeTest(t.Context(), o, test, progress.Discard)
	if err != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("%+v\n%+v, %v", first, again, err)
	}
	if first.Photos != 10 || len(first.Rejected) != 1 || first.Backbone != "squeezenet1_1" ||
		first.ParametersTrained == 0 || !strings.Contains(strings.Join(first.Notes, " "), "seed 0") {
		t.Errorf("%+v", first)
	}
	if first.Suggestion == 0 || !(first.LowestLR > first.Suggestion) {
		t.Errorf("suggestion %g, lowest at %g", first.Suggestion, first.LowestLR)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("the test left %v, %v", left, err)
	}

	// The second repeat begins with the same network whatever the rates of the first one, and with other photos.
	calm, once := test, test
	calm.MinLR, calm.MaxLR, once.Repeats = 1e-12, 1e-11, 1
	still, err := RangeTest(t.Context(), o, calm, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	single, err := RangeTest(t.Context(), o, once, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if a, b, c := first.Steps[0].Loss, still.Steps[0].Loss, single.Steps[0].Loss; a != b || a == c {
		t.Errorf("the test begins with a loss of %g, at small rates with %g, and without the second repeat with %g",
			a, b, c)
	}
}

func TestRangeTestThatFails(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 5, 2)
	o := small(data, "")
	if _, err := RangeTest(t.Context(), o, rangetest.Options{}, progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("no test: %v", err)
	}
	o.BatchSize = 100
	if _, err := RangeTest(t.Context(), o, rangetest.Defaults(), progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "a batch of 100 photos") {
		t.Errorf("a large batch: %v", err)
	}
	o.BatchSize = 4
	r, err := RangeTest(t.Context(), o, rangetest.Options{MinLR: 1e20, MaxLR: 1e30, Steps: 25, Repeats: 1},
		progress.Discard)
	if err != nil || r.Suggestion != 0 || r.Stopped == "" || len(r.Steps) == 25 {
		t.Errorf("absurd rates: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watch := &stopper{Reporter: progress.Discard, cancel: cancel}
	watch.left.Store(3)
	if _, err := RangeTest(ctx, o, rangetest.Defaults(), testStopper{watch}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// testStopper is a stopper of a range test.
type testStopper struct{ *stopper }

func (s testStopper) Begin(stage string, total int64, unit string) progress.Task {
	if stage == "range test" {
		return &stoppingTask{s.stopper}
	}
	return s.Reporter.Begin(stage, total, unit)
}
