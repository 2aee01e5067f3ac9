package finetune

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/weights"
)

// A run from scratch starts from what torchvision's constructor draws, says so,
// and goes on with --resume only by the same seed.
func TestScratch(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 2, 1)
	o := small(data, filepath.Join(t.TempDir(), "run"))
	o.Network.Weights, o.Scratch, o.Seed, o.Epochs, o.HeadOnly = weights.Ref{}, true, 3, 1, true
	result, err := Run(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := backbones.Lookup("squeezenet1_1")
	want, err := backbones.InitialWeights(b, 3)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := weights.Read(filepath.Join(o.Out, checkpointDir, lastName, artifacts.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want.Names() {
		x, _ := want.Get(name)
		y, _ := got.Get(name)
		if same := slices.Equal(x.Data, y.Data); same == strings.HasPrefix(name, "classifier.") {
			t.Errorf("%s: the constructor's own value %v", name, same)
		}
	}
	rec, _, err := readRecord(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Weights.String() != "initial weights of seed 3" ||
		!strings.Contains(strings.Join(result.Notes, "\n"), "random numbers of seed 3") {
		t.Errorf("weights %q, notes %q", rec.Weights, result.Notes)
	}
	o.Resume, o.Seed = true, 4
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "weights (SHA-256)") {
		t.Errorf("another seed: %v", err)
	}
}

func TestScratchRefusesWhatItCannotStart(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 2, 1)
	for says, change := range map[string]func(*Options){
		"but the rule of":       func(o *Options) { o.Network.Backbone = "own.onnx" },
		"resnet19":              func(o *Options) { o.Network.Backbone = "resnet19" },
		"--crop -1":             func(o *Options) { o.Crop = -1 },
		"--scratch starts from": func(o *Options) { o.Network.Weights = weights.Seed(0) },
	} {
		o := small(data, filepath.Join(t.TempDir(), "run"))
		o.Network.Weights, o.Scratch = weights.Ref{}, true
		change(&o)
		if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(err.Error(), says) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", says, err)
		}
	}
}
