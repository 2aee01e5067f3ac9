package cli

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/backbones"
	"fx/internal/onnx"
	"fx/internal/ort/orttest"
	"fx/internal/weights"
)

// NaN in given weights is the file's fault: every command that takes weights
// names the file and the tensor, and none advises a smaller learning rate.
func TestNaNInWeightsIsNamed(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "data"))
	b, err := backbones.Lookup("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "bad.safetensors")
	for _, value := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		state, err := backbones.SeedWeights(b, 0)
		if err != nil {
			t.Fatal(err)
		}
		const tensor = "layer2.0.conv1.weight"
		v, _ := state.Get(tensor)
		values, err := v.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		values = slices.Clone(values)
		values[1000] = value
		state.Set(tensor, weights.FromFloat32(v.Shape, values))
		if err := weights.WriteSafetensors(bad, state); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "out")
		given := []string{"--backbone", "resnet18", "--weights", bad}
		for _, args := range [][]string{
			append([]string{"extract", "--data", data, "--out", out}, given...),
			append([]string{"finetune", "--data", data, "--out", out, "--all-params"}, given...),
			append([]string{"quickstart", data, "--out", out}, given...),
			append([]string{"artifacts", "generate", "--classes", "2", "--out", out}, given...),
			{"backbones", "save", "resnet18", "--weights", bad, "--out", filepath.Join(dir, "out.safetensors")},
			{"backbones", "save", "resnet18", "--weights", bad, "--out", filepath.Join(dir, "out.onnx")},
		} {
			a := fx(t, args...)
			if a.code != 4 || !strings.Contains(a.stderr, bad) || !strings.Contains(a.stderr, tensor) ||
				strings.Contains(a.stderr, "--lr") {
				t.Errorf("%v in the weights: fx %s: exit code %d\n%s", value, strings.Join(args, " "), a.code, a.stderr)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "out*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// The same in a network of the user's own, whose file holds its weights.
func TestNaNInANetworkOfOnesOwn(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data := twoClasses(filepath.Join(dir, "data"))
	m, err := onnx.Load(tinyNetwork)
	if err != nil {
		t.Fatal(err)
	}
	for i, tensor := range m.Graph.Initializer {
		if tensor.Name == "mix.bias" {
			values := make([]float32, tensor.Dims[0])
			values[1] = float32(math.NaN())
			m.Graph.Initializer[i] = onnx.NewFloat32(tensor.Name, tensor.Dims, values)
		}
	}
	path := filepath.Join(dir, "own.onnx")
	if err := onnx.Save(path, m); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"extract", "--backbone", path, "--data", data, "--out", filepath.Join(dir, "store")},
		{"finetune", "--backbone", path, "--data", data, "--out", filepath.Join(dir, "run"), "--all-params"},
	} {
		if a := fx(t, args...); a.code != 4 || !strings.Contains(a.stderr, `"mix.bias"`) ||
			!strings.Contains(a.stderr, path) {
			t.Errorf("fx %s: exit code %d\n%s", strings.Join(args, " "), a.code, a.stderr)
		}
	}
}
