package classify

import (
	"path/filepath"
	"strings"
	"testing"

	"fx/backbones"
	"fx/extract"
	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/rangetest"
	"fx/internal/testenv"
	"fx/internal/training"
	"fx/internal/weights"
)

func TestRangeTestOfAStore(t *testing.T) {
	features := newStore(t, manifest(), "train") // nothing is evaluated
	test := rangetest.Options{MinLR: 1e-4, MaxLR: 10, Steps: 60, Repeats: 2}
	r, err := RangeTest(t.Context(), FitOptions{Settings: training.Defaults(), Features: features}, test,
		progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.Photos != 20 || r.Backbone != "none" || len(r.Notes) != 1 || r.Suggestion == 0 ||
		!(r.LowestLR > r.Suggestion) {
		t.Errorf("%+v", r)
	}
	with := func(change func(*FitOptions)) FitOptions {
		o := FitOptions{Settings: training.Defaults(), Features: features}
		change(&o)
		return o
	}
	weighted, err := RangeTest(t.Context(), with(func(o *FitOptions) {
		o.ClassWeights = training.Balanced
	}), test, progress.Discard)
	if err != nil || weighted.Steps[0] != r.Steps[0] { // as many photos of each class
		t.Errorf("%+v, %v", weighted.Steps[0], err)
	}
	for says, o := range map[string]FitOptions{
		`no split "val"`:       with(func(o *FitOptions) { o.TrainSplit = "val" }),
		"--class-weights some": with(func(o *FitOptions) { o.ClassWeights = "some" }),
	} {
		if _, err := RangeTest(t.Context(), o, test, progress.Discard); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// The tutorial's learning rate, 0.001, lies where the loss of its own task falls: on ants
// and bees with the real weights of squeezenet1_1.
func TestRangeTestOfTheTutorial(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: extracts and trains")
	}
	data, file := testenv.PhotosDir(t), testenv.WeightsFile(t, "squeezenet1_1.safetensors")
	orttest.Library(t)
	features := filepath.Join(t.TempDir(), "features")
	if _, err := extract.Run(t.Context(), extract.Options{
		Embedder: extract.EmbedderOptions{
			Environment: environment.Environment{Device: ort.CPU},
			Network:     backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.File(file)},
		},
		Data: data, Store: features,
	}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	test := rangetest.Defaults()
	test.Repeats = 16
	r, err := RangeTest(t.Context(), FitOptions{Settings: training.Defaults(), Features: features}, test,
		progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	const tutorial = 0.001
	var before, at, after rangetest.Step // a third of a power of ten apart
	for _, s := range r.Steps {
		switch {
		case s.LR < tutorial/2:
			before, at, after = s, s, s
		case s.LR < tutorial:
			at, after = s, s
		case s.LR < tutorial*2:
			after = s
		}
	}
	if !(before.Smoothed > at.Smoothed && at.Smoothed > after.Smoothed && r.LowestLR > tutorial) {
		t.Errorf("smoothed loss %+v, %+v, %+v; lowest at %g", before, at, after, r.LowestLR)
	}
	if !(r.Suggestion > tutorial/5 && r.Suggestion < tutorial*5) {
		t.Errorf("suggestion %g", r.Suggestion)
	}
}
