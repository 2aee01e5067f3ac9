package artifacts_test

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/onnx"
	"fx/internal/weights"
)

var (
	writeTo = flag.String("write-models", "", "folder for training graphs and seed:0 weights, for testdata/compare.py")
	batch   = flag.Int("batch", 4, "batch size of the graphs that are written")
	only    = flag.String("networks", "", "the networks to write or compare, separated by commas; all where empty")
)

// families are the six networks of the tutorial.
var families = []string{"squeezenet1_0", "resnet18", "alexnet", "vgg11_bn", "densenet121", "inception_v3"}

func chosen(all []string) []string {
	if *only == "" {
		return all
	}
	return strings.Split(*only, ",")
}

// tutorial are the options that testdata/compare.py repeats in torch.
func tutorial(t testing.TB) artifacts.Options {
	return artifacts.Options{
		Optimizer: artifacts.Optimizer{Name: artifacts.SGD, Momentum: 0.9},
		Batch:     4, FloatInput: true, Probe: probe(t),
	}
}

// TestWriteModels writes what testdata/compare.py compares with torch.
func TestWriteModels(t *testing.T) {
	if *writeTo == "" {
		t.Skip("no -write-models folder given")
	}
	o := tutorial(t)
	o.Batch = *batch
	for _, name := range chosen(families) {
		t.Run(name, func(t *testing.T) {
			n := seeded(t, name)
			step, err := n.Step(o)
			if err != nil {
				t.Fatal(err)
			}
			gradients, err := n.Gradients(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := weights.WriteSafetensors(filepath.Join(*writeTo, name+".safetensors"), n.Values); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Save(filepath.Join(*writeTo, name+".step.onnx"), step.Model); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Save(filepath.Join(*writeTo, name+".gradients.onnx"), gradients.Model); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// seeded returns a registered network with the weights of seed 0.
func seeded(t testing.TB, name string) *artifacts.Network {
	t.Helper()
	b, err := backbones.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	sd, err := backbones.SeedWeights(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := artifacts.FromBackbone(b, sd, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
