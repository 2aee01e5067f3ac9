package finetune

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/backbones"
	"fx/classify"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/weights"
)

// tinyFile is a network from PyTorch, see artifacts/testdata/tiny.py.
const tinyFile = "artifacts/testdata/tiny.onnx"

// tiny are options for a training of a second.
func tiny(data, out string) Options {
	o := Defaults()
	o.Network = backbones.NetworkOptions{Backbone: tinyFile}
	o.Data, o.Out, o.Epochs, o.BatchSize, o.Device, o.LR = data, out, 2, 4, ort.CPU, 0.05
	return o
}

// A RUN of a user's own file is a MODEL that needs the file no more.
func TestARunOfAFileIsAModel(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := drawPhotos(t, filepath.Join(dir, "data"), 8, 4)
	file := filepath.Join(dir, "own.onnx")
	text, err := os.ReadFile(tinyFile)
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := tiny(data, filepath.Join(dir, "run"))
	o.Network.Backbone, o.Epochs = file, 6
	result, err := Run(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if result.Backbone != "tiny" || result.ParametersTrained != 1262 || result.BestValAccuracy < 0.9 {
		t.Errorf("%+v", result)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(o.Out, moved); err != nil {
		t.Fatal(err)
	}
	model := classify.Options{Model: moved}
	model.Embedder.Device = ort.CPU
	report, err := classify.EvaluateData(t.Context(), model, data, "val", progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	best := result.Epochs[result.BestEpoch-1]
	if report.Accuracy != best.ValAccuracy || math.Abs(report.Loss-best.ValLoss) > 1e-5 {
		t.Errorf("accuracy %g and loss %g as a model, %g and %g in training", report.Accuracy, report.Loss,
			best.ValAccuracy, best.ValLoss)
	}
	exported := filepath.Join(dir, "classifier.onnx")
	if _, err := classify.Export(t.Context(), model, exported, false, progress.Discard); err != nil {
		t.Fatal(err)
	}

	// What was trained and what was exported can be trained further.
	further := tiny(data, filepath.Join(dir, "further"))
	further.Network = backbones.NetworkOptions{Backbone: filepath.Join(moved, skeletonName),
		Weights: weights.File(filepath.Join(moved, checkpointDir, bestName, artifacts.ModelFile))}
	further.HeadOnly, further.Epochs = true, 1
	if r, err := Run(t.Context(), further, progress.Discard); err != nil || r.ParametersTrained != 2*16+2 {
		t.Errorf("a run's network: %+v, %v", r, err)
	}
	further.Network, further.Out = backbones.NetworkOptions{Backbone: exported}, filepath.Join(dir, "furthest")
	if _, err := Run(t.Context(), further, progress.Discard); err != nil {
		t.Errorf("an exported classifier: %v", err)
	}
}

func TestARunOfAFileGoesOnToTheSameBits(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 5, 3)
	undisturbed := tiny(data, filepath.Join(t.TempDir(), "undisturbed"))
	undisturbed.Trainable = []string{"*.weight"}
	if _, err := Run(t.Context(), undisturbed, progress.Discard); err != nil {
		t.Fatal(err)
	}
	stopped := undisturbed
	stopped.Out, stopped.Resume = filepath.Join(t.TempDir(), "stopped"), true
	ctx, cancel := context.WithCancel(t.Context())
	watch := &stopper{Reporter: progress.Discard, cancel: cancel}
	watch.left.Store(4)
	if _, err := Run(ctx, stopped, watch); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), stopped, progress.Discard); err != nil {
		t.Fatal(err)
	}
	same(t, undisturbed.Out, stopped.Out)

	state, _, err := weights.Read(filepath.Join(stopped.Out, checkpointDir, lastName, artifacts.ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	before, err := onnx.Load(tinyFile)
	if err != nil {
		t.Fatal(err)
	}
	index, counters := onnx.NewIndex(before.Graph), 0
	for _, name := range state.Names() {
		if strings.HasSuffix(name, ".num_batches_tracked") {
			counters++
			continue
		}
		tensor, _ := state.Get(name)
		now, _ := tensor.Float32s()
		initializer := index.Initializer(name)
		if initializer == nil {
			t.Fatalf("%s is no name of the file", name)
		}
		was, _ := onnx.Float32s(initializer)
		learned := strings.HasSuffix(name, ".weight") || strings.Contains(name, "running_") ||
			strings.HasPrefix(name, "head.")
		if slices.Equal(was, now) == learned {
			t.Errorf("%s changed: %v", name, !learned)
		}
	}
	if counters != 2 {
		t.Errorf("%d counters of batches, PyTorch has 2", counters)
	}
}

// A graph that holds a batch size in its middle takes no other, which shows when
// the shapes are told, when the session is made, or when it runs.
func TestAFileThatHoldsABatchSize(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 2, 1)
	m, err := onnx.Load(tinyFile)
	if err != nil {
		t.Fatal(err)
	}
	features := "/ReduceMean_output_0"
	for _, n := range m.Graph.Node {
		if n.Output[0] == features {
			n.Output[0] = features + "/free"
		}
	}
	b := onnx.NewBuilder(m.Graph, "")
	b.OpTo(features, "Reshape", []string{features + "/free", b.Int64s("fixed", 2, 16)})
	if err := onnx.Sort(m.Graph); err != nil {
		t.Fatal(err)
	}
	o := tiny(data, filepath.Join(t.TempDir(), "run"))
	o.Network.Backbone, o.Epochs = filepath.Join(t.TempDir(), "fixed.onnx"), 1
	if err := onnx.Save(o.Network.Backbone, m); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Model ||
		!strings.Contains(fail.HintOf(err), "free batch size") {
		t.Errorf("kind %d, hint %q: %v", fail.KindOf(err), fail.HintOf(err), err)
	}
	o.BatchSize = 2
	if _, err := Run(t.Context(), o, progress.Discard); err != nil {
		t.Errorf("the batch size that it holds: %v", err)
	}
}

func TestWhatAFileCannotBeAskedFor(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 2, 1)
	b, err := backbones.Lookup("squeezenet1_1")
	if err != nil {
		t.Fatal(err)
	}
	state, err := backbones.SeedWeights(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "squeezenet.safetensors")
	if err := weights.WriteSafetensors(other, state); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Options)
		kind   fail.Kind
		says   string
	}{
		{func(o *Options) { o.Scratch = true }, fail.Usage, "--scratch"},
		{func(o *Options) { o.Network.Weights = weights.Seed(0) }, fail.Usage, "--weights seed:0"},
		{func(o *Options) { o.Network.Weights = weights.File(other) }, fail.Model, "missing (stem.0.weight"},
		{func(o *Options) { o.Network.Backbone = "ghost.onnx" }, fail.Usage, "ghost.onnx"},
		{func(o *Options) { o.Network.Backbone = other + ".onnx" }, fail.Usage, other},
		{func(o *Options) { o.Crop = 32 }, fail.Usage, "24×24"},
		{func(o *Options) {
			o.Trainable = []string{"features.*"}
		}, fail.Usage, `"features.*" matches no parameter of tiny`},
		{func(o *Options) { o.Network.FeatureTensor = "ghost" }, fail.Usage, "ghost"},
	} {
		o := tiny(data, filepath.Join(t.TempDir(), "run"))
		c.change(&o)
		_, err := Run(t.Context(), o, progress.Discard)
		if fail.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || fail.HintOf(err) == "" {
			t.Errorf("%s: kind %d, hint %q: %v", c.says, fail.KindOf(err), fail.HintOf(err), err)
		}
	}
}
