package artifacts_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/ort"
	"fx/internal/weights"
)

var full = flag.Bool("full", false, "compare every network and all of its steps with torch, not a few (minutes)")

// networkGolden is an entry of testdata/networks.json: PyTorch's losses, and of
// each parameter's gradient the norm and projections on vectors of ±1.
type networkGolden struct {
	Batch     int                  `json:"batch"`
	Gain      float64              `json:"gain"`
	LR        float32              `json:"lr"`
	Losses    []float64            `json:"losses"`
	Gradients map[string][]float64 `json:"gradients"`
}

// TestNetworksEqualTorch trains whole networks at their real input size. The loss
// must lie within 1e-5 of PyTorch's, the gradients within 1e-3 of their norm, the
// curve within 1e-3: testdata/compare.py says which networks float32 does not
// determine so far, and compares whole gradients. The mean square of a projection's difference estimates the square
// of the whole difference (Johnson and Lindenstrauss); of four, it is allowed
// twice the root.
func TestNetworksEqualTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/networks.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens map[string]networkGolden
	if err := json.Unmarshal(text, &goldens); err != nil {
		t.Fatal(err)
	}
	names, steps := []string{"squeezenet1_0", "resnet18"}, 3
	if *full {
		names, steps = families, 20
	}
	if testing.Short() {
		names = names[:1]
	}
	for _, name := range chosen(names) {
		t.Run(name, func(t *testing.T) {
			golden := goldens[name]
			n := seeded(t, name)
			scaleWeights(t, n, golden.Gain)
			compareGradients(t, n, golden)
			compareCurve(t, n, golden, steps)
		})
	}
}

func compareGradients(t *testing.T, n *artifacts.Network, golden networkGolden) {
	g, err := n.Gradients(tutorial(t))
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, g, initial)
	out, err := r.run(goldenFeeds(g, golden))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "loss", float64(ort.Data[float32](out[g.Loss])[0]), golden.Losses[0], 1e-5*golden.Losses[0])
	allowed := 2e-3
	if n.Name == "densenet121" || n.Name == "inception_v3" {
		allowed = 0.15 // some Relus always open in one implementation only: PyTorch's float32 is 5 % off its own float64
	}
	worst := 0.0
	for name, want := range golden.Gradients {
		v := ort.Data[float32](r.state[name+artifacts.GradientSuffix])
		norm := want[0]
		if name == "features.norm0.weight" && n.Name == "densenet121" {
			continue // zero in exact arithmetic too, see ZERO in compare.py
		}
		if weight := golden.Gradients[layerWeight(name)]; weight != nil && norm < 1e-4*weight[0] {
			if got := project(v)[0]; got > 1e-4*weight[0] { // zero in exact arithmetic
				t.Errorf("gradient of %s has norm %.2g, and that of its weight %.2g", name, got, weight[0])
			}
			continue
		}
		var square float64
		for i, p := range project(v)[1:] {
			square += math.Pow(p-want[1+i], 2)
		}
		distance := math.Sqrt(square/float64(len(want)-1)) / norm
		worst = max(worst, distance)
		if distance > allowed {
			t.Errorf("gradient of %s is off by %.2g of its norm", name, distance)
		}
	}
	t.Logf("%d gradients, worst difference %.2g", len(golden.Gradients), worst)
}

func layerWeight(name string) string {
	if len(name) > 4 && name[len(name)-4:] == "bias" {
		return name[:len(name)-4] + "weight"
	}
	return ""
}

func compareCurve(t *testing.T, n *artifacts.Network, golden networkGolden, steps int) {
	g, err := n.Step(tutorial(t))
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, g, initial)
	feeds := goldenFeeds(g, golden)
	for i := range steps {
		out, err := r.run(feeds)
		if err != nil {
			t.Fatal(err)
		}
		allowed := 1e-3
		if n.Name == "inception_v3" {
			allowed = 0.05 // see compare.py: four values per channel; PyTorch's float32 and float64 part by 0.014 in 12 steps
		}
		near(t, "loss", float64(ort.Data[float32](out[g.Loss])[0]), golden.Losses[i], allowed*golden.Losses[i])
	}
}

// scaleWeights multiplies the weights, not biases or statistics, as compare.py does.
func scaleWeights(t *testing.T, n *artifacts.Network, gain float64) {
	for _, name := range n.Values.Names() {
		v, _ := n.Values.Get(name)
		if len(v.Shape) < 2 || gain == 1 {
			continue
		}
		f, err := v.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		scaled := make([]float32, len(f))
		for i := range f {
			scaled[i] = f[i] * float32(gain)
		}
		n.Values.Set(name, weights.FromFloat32(v.Shape, scaled))
	}
}

// project returns the norm of v and its products with the vectors of ±1 that
// compare.py uses.
func project(v []float32) []float64 {
	numbers := make([]float64, 5)
	for i, x := range v {
		numbers[0] += float64(x) * float64(x)
		for k := range 4 {
			if mix(i+7919*k)&1 == 1 {
				numbers[1+k] -= float64(x)
			} else {
				numbers[1+k] += float64(x)
			}
		}
	}
	numbers[0] = math.Sqrt(numbers[0])
	return numbers
}

// goldenFeeds are the inputs of compare.py, function feeds.
func goldenFeeds(g *artifacts.Graph, golden networkGolden) map[string]ort.Tensor {
	size := int(g.ImageShape[3])
	labels := make([]int64, 4)
	for i := range labels {
		labels[i] = int64((4*golden.Batch+i)*337+11) % 1000
	}
	feeds := map[string]ort.Tensor{
		g.Image:          ort.NewTensor(goldenPhotos(golden.Batch, size), g.ImageShape...),
		g.Labels:         ort.NewTensor(labels, 4),
		"lr":             ort.NewTensor([]float32{golden.LR}),
		"gradient_scale": ort.NewTensor([]float32{1}),
	}
	for k, n := range g.Noise {
		count := int64(1)
		for _, d := range n.Shape {
			count *= d
		}
		mask := make([]float32, count)
		for i := range mask {
			if float64(mix(i+104729*(k+1)))/(1<<32) >= n.Drop {
				mask[i] = float32(1 / (1 - n.Drop))
			}
		}
		feeds[n.Name] = ort.NewTensor(mask, n.Shape...)
	}
	return feeds
}

// goldenPhotos are compare.py's photos.
func goldenPhotos(batch, size int) []float32 {
	v := make([]float32, 0, 4*3*size*size)
	for i := range 4 {
		for c := range 3 {
			var waves [8][4]int
			for k := range waves {
				own := 3
				if k >= 5 {
					own = c
				}
				for j := range waves[k] {
					waves[k][j] = int(mix(j + 4*((4*batch+i)*64+k*4+own)))
				}
			}
			for y := range size {
				for x := range size {
					level := 128 - 16
					for _, h := range waves {
						p := (((h[0]%13-6)*y+(h[1]%13-6)*x)*2 + h[2]%512) & 511
						level += (16 + h[3]%48) * (max(p-256, 256-p) - 128) >> 7
					}
					level += int(mix(y*size+x+((4*batch+i)*3+c)*size*size) & 31)
					v = append(v, float32(min(max(level, 0), 255))/64-2)
				}
			}
		}
	}
	return v
}
