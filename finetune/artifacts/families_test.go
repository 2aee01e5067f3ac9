package artifacts_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/ort"
)

// TestOtherFamilies takes the gradients of small networks of families that are
// not registered: MobileNet, EfficientNet, ConvNeXt, ViT, ShuffleNet. PyTorch's
// are float64; a projection may differ by 1e-4 of the gradient's norm. The
// networks' Relus all lie further from zero than float32's rounding.
func TestOtherFamilies(t *testing.T) {
	text, err := os.ReadFile("testdata/families/families.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens map[string]familyGolden
	if err := json.Unmarshal(text, &goldens); err != nil {
		t.Fatal(err)
	}
	for name, golden := range goldens {
		for _, by := range []string{"onnx", "kernels"} {
			t.Run(name+"/"+by, func(t *testing.T) {
				o := tutorial(t)
				o.FloatInput, o.Kernels = true, by == "kernels"
				compareFamily(t, name, o, golden)
			})
		}
	}
}

type familyGolden struct {
	Loss      float64              `json:"loss"`
	Gradients map[string][]float64 `json:"gradients"`
}

func compareFamily(t *testing.T, name string, o artifacts.Options, golden familyGolden) {
	n, err := artifacts.FromFile(unpacked(t, name), backbones.FileOptions{Resize: 32, Crop: 32})
	if err != nil {
		t.Fatal(err)
	}
	g, err := n.Gradients(o)
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, g, initial)
	out, err := r.run(familyFeeds(g))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "loss", float64(ort.Data[float32](out[g.Loss])[0]), golden.Loss, 1e-5*golden.Loss)
	worst := 0.0
	for parameter, want := range golden.Gradients {
		slot := parameter + artifacts.GradientSuffix
		if _, ok := r.state[slot]; !ok {
			t.Errorf("%s is not trained", parameter)
			continue
		}
		got := project(ort.Data[float32](r.state[slot]))
		for i := range want {
			if want[0] > 1e-6 {
				worst = max(worst, math.Abs(got[i]-want[i])/want[0])
			}
			near(t, parameter, got[i], want[i], 1e-4*want[0]+1e-6)
		}
	}
	t.Logf("%d gradients, worst difference %.2g", len(golden.Gradients), worst)
	if _, err := n.Step(o); err != nil {
		t.Error(err)
	}
}

func unpacked(t *testing.T, name string) string {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata/families", name+".onnx.gz"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// familyFeeds are the inputs of make_families.py. Stochastic depth, a comparison
// of uniform numbers with the share to keep in the graph, gets the numbers that
// the masks of the script compare.
func familyFeeds(g *artifacts.Graph) map[string]ort.Tensor {
	photos := make([]float32, 4*3*32*32)
	for i := range photos {
		photos[i] = float32(float64(mix(i+77777)>>24)/64 - 2)
	}
	feeds := map[string]ort.Tensor{
		g.Image:          ort.NewTensor(photos, g.ImageShape...),
		g.Labels:         ort.NewTensor([]int64{0, 1, 2, 3}, 4),
		"gradient_scale": ort.NewTensor([]float32{1}),
	}
	for k, n := range g.Noise {
		count := 1
		for _, d := range n.Shape {
			count *= int(d)
		}
		v := make([]float32, count)
		for i := range v {
			u := float64(mix(i+104729*(k+1))) / (1 << 32)
			switch {
			case n.Drop == 0:
				v[i] = float32(1 - u) // kept where below 1 - p
			case u >= n.Drop:
				v[i] = float32(1 / (1 - n.Drop))
			}
		}
		feeds[n.Name] = ort.NewTensor(v, n.Shape...)
	}
	return feeds
}
