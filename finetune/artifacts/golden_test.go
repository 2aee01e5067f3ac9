package artifacts_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

var (
	full = flag.Bool("full", false, "compare every network and all of its steps with torch, not a few (minutes)")
	only = flag.String("networks", "", "the networks to compare, separated by commas; all where empty")
)

// families are the six networks of the tutorial.
var families = []string{"squeezenet1_0", "resnet18", "alexnet", "vgg11_bn", "densenet121", "inception_v3"}

// networkGolden is an entry of testdata/networks.json, whose script says what its
// parts are and why. A gradient is its norm and projections on vectors of ±1.
type networkGolden struct {
	Smooth struct {
		Loss      float64              `json:"loss"`
		Gradients map[string][]float64 `json:"gradients"`
	} `json:"smooth"`
	Plain struct {
		Losses        []float64            `json:"losses"`
		LossDrift     []float64            `json:"loss_drift"`     // of PyTorch's float32 from its float64
		GradientDrift float64              `json:"gradient_drift"` // relative
		Gradients     map[string][]float64 `json:"gradients"`
	} `json:"plain"`
}

const (
	lossBound   = 1e-5 // relative
	smoothBound = 3e-4 // of a gradient that float32 determines
	plainBound  = 1e-5 // the least for one that decisions at rounding change
	ownDrift    = 3    // how many times as far as PyTorch's float32 fx's may get from float64

	// A gradient whose norm is less than this share of its layer's largest is a
	// sum that cancels, such as that of a convolution's bias before batch
	// statistics: all its digits are rounding, and its size counts.
	vanishingShare = 1e-3
	vanishingBound = 1e-4 // of the layer's largest
)

// TestNetworksEqualTorch trains whole networks at their real input size, with
// nothing chosen for the sake of the numbers: testdata/make_networks.py.
// scripts/parity/gradients.py compares every digit, and shows what decisions
// account for.
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
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	for _, name := range names {
		golden, ok := goldens[name]
		if !ok {
			t.Fatalf("no golden of %s", name)
		}
		for _, by := range []string{"onnx", "kernels"} {
			o := tutorial(t)
			o.Kernels = by == "kernels"
			t.Run(name+"/smooth/"+by, func(t *testing.T) {
				n := seeded(t, name)
				smoothen(n)
				compareGradients(t, n, o, golden.Smooth.Loss, golden.Smooth.Gradients, smoothBound)
			})
			t.Run(name+"/plain/"+by, func(t *testing.T) {
				bound := max(ownDrift*golden.Plain.GradientDrift, plainBound)
				compareGradients(t, seeded(t, name), o, golden.Plain.Losses[0], golden.Plain.Gradients, bound)
			})
			t.Run(name+"/curve/"+by, func(t *testing.T) {
				compareCurve(t, seeded(t, name), o, golden.Plain.Losses[:steps], golden.Plain.LossDrift)
			})
		}
	}
}

// smoothen puts Softplus in the place of Relu, and average in that of max pooling.
func smoothen(n *artifacts.Network) {
	for _, node := range n.Graph().Graph.Node {
		switch node.OpType {
		case "Relu":
			node.OpType = "Softplus"
		case "MaxPool":
			node.OpType = "AveragePool"
			node.Attribute = slices.DeleteFunc(node.Attribute, func(a *pb.AttributeProto) bool {
				return a.Name == "dilations" || a.Name == "storage_order"
			})
		}
	}
}

func compareGradients(t *testing.T, n *artifacts.Network, o artifacts.Options, loss float64,
	goldens map[string][]float64, bound float64) {
	g, err := n.Gradients(o)
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, g, initial)
	out, err := r.run(goldenFeeds(g, 0))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "loss", float64(ort.Data[float32](out[g.Loss])[0]), loss, lossBound*loss)
	largest := map[string]float64{}
	for name, want := range goldens {
		largest[layer(name)] = max(largest[layer(name)], want[0])
	}
	worst, at := 0.0, ""
	for name, want := range goldens {
		var square float64
		for i, p := range project(ort.Data[float32](r.state[name+artifacts.GradientSuffix]))[1:len(want)] {
			square += math.Pow(p-want[1+i], 2)
		}
		distance := math.Sqrt(square / float64(len(want)-1))
		if want[0] < vanishingShare*largest[layer(name)] {
			if share := distance / largest[layer(name)]; !(share <= vanishingBound) {
				t.Errorf("gradient of %s, which should vanish, is off by %.2g of its layer's", name, share)
			}
			continue
		}
		distance /= want[0]
		if distance > worst {
			worst, at = distance, name
		}
		if !(distance <= bound) {
			t.Errorf("gradient of %s is off by %.2g of its norm, allowed %.2g", name, distance, bound)
		}
	}
	t.Logf("%d gradients, worst difference %.2g (%s), allowed %.2g", len(goldens), worst, at, bound)
}

// layer is the name of a parameter's module.
func layer(name string) string { return name[:strings.LastIndex(name, ".")] }

// compareCurve takes a step on each of the first batches. By its nature training
// carries differences away: PyTorch's float32 has got as far from its float64 by
// then as drift says.
func compareCurve(t *testing.T, n *artifacts.Network, o artifacts.Options, losses, drift []float64) {
	g, err := n.Step(o)
	if err != nil {
		t.Fatal(err)
	}
	initial, err := n.Initial(g)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, g, initial)
	furthest := 0.0
	for i, want := range losses {
		out, err := r.run(goldenFeeds(g, i))
		if err != nil {
			t.Fatal(err)
		}
		furthest = max(furthest, drift[i])
		got := float64(ort.Data[float32](out[g.Loss])[0])
		near(t, "loss", got, want, ownDrift*furthest+lossBound*want)
		t.Logf("step %d: loss %.7f, PyTorch's %.7f in float64, within %.2g in float32", i, got, want, drift[i])
	}
}

// tutorial are the options that testdata/make_networks.py repeats in torch.
func tutorial(t testing.TB) artifacts.Options {
	return artifacts.Options{Optimizer: artifacts.Optimizer{Name: artifacts.SGD, Momentum: 0.9}, Batch: 4,
		Probe: probe(t)}
}

// project returns the norm of v and its products with the vectors of ±1 of
// testdata/formulas.py.
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

// goldenFeeds are the inputs of a step on a batch: testdata/formulas.py.
func goldenFeeds(g *artifacts.Graph, batch int) map[string]ort.Tensor {
	labels := make([]int64, 4)
	for i := range labels {
		labels[i] = int64((4*batch+i)*337+11) % 1000
	}
	feeds := map[string]ort.Tensor{
		g.Image:          ort.NewTensor(goldenPhotos(batch, int(g.ImageShape[1])), g.ImageShape...),
		g.Labels:         ort.NewTensor(labels, 4),
		"lr":             ort.NewTensor([]float32{0.001}),
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

// goldenPhotos are the photos of testdata/formulas.py, uint8 [4, size, size, 3].
func goldenPhotos(batch, size int) []uint8 {
	v := make([]uint8, 4*size*size*3)
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
					v[((i*size+y)*size+x)*3+c] = uint8(min(max(level, 0), 255))
				}
			}
		}
	}
	return v
}
