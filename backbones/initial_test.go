package backbones

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"fx/internal/random"
	"fx/internal/weights"
)

// moments of a parameter's values.
type moments struct{ mean, deviation, absolute float64 }

func momentsOf(values []float32) moments {
	var sum, squares, absolute float64
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
		absolute += math.Abs(float64(v))
	}
	n := float64(len(values))
	mean := sum / n
	return moments{mean, math.Sqrt(max(squares/n-mean*mean, 0)), absolute / n}
}

// agree compares the moments of n values with those of another draw of n. The
// bounds are six standard errors of a difference between two normal draws:
// deviation/√n·√2 for the mean, 1/√(2n)·√2 of the deviation, 0.53/√n·√2 of the
// ratio of mean absolute value to deviation.
func agree(got, want moments, n int) bool {
	if want.deviation == 0 {
		return got == want
	}
	bound := 6 / math.Sqrt(float64(n))
	shape := (got.absolute / got.deviation) / (want.absolute / want.deviation)
	return math.Abs(got.mean-want.mean) < math.Sqrt2*bound*want.deviation &&
		math.Abs(got.deviation/want.deviation-1) < bound && math.Abs(shape-1) < 0.75*bound
}

// readInitial reads testdata/initial.json, written by testdata/make_initial.py:
// moments of torchvision's own draw, by "NETWORK PARAMETER".
func readInitial(t *testing.T) map[string]moments {
	t.Helper()
	data, err := os.ReadFile("testdata/initial.json")
	if err != nil {
		t.Fatal(err)
	}
	var numbers map[string][3]float64
	if err := json.Unmarshal(data, &numbers); err != nil {
		t.Fatal(err)
	}
	all := map[string]moments{}
	for name, m := range numbers {
		all[name] = moments{m[0], m[1], m[2]}
	}
	return all
}

// Every parameter of the networks in initial.json starts from torchvision's distribution, and they have all rules
// and families with one. Large parameters stand for themselves by their first values.
func TestInitialWeightsAreTorchvisions(t *testing.T) {
	want := readInitial(t)
	compared := map[string]bool{}
	for name := range want {
		compared[strings.Fields(name)[0]] = true
	}
	vouched := map[string]bool{} // rules with families
	for _, b := range All() {
		if !compared[b.Name] {
			continue
		}
		vouched[b.row.Initial+" "+b.Family] = true
		parameters, err := Parameters(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parameters {
			if p.Kind != Weight && p.Kind != Bias {
				if d := initial(b, p); d.shape != layerDefault {
					t.Errorf("%s %s, a %s, is drawn otherwise: %+v", b.Name, p.Name, p.Kind, d)
				}
				continue
			}
			key := b.Name + " " + p.Name
			m, ok := want[key]
			delete(want, key)
			n := min(p.Len(), 1<<17)
			if got := momentsOf(initialValues(b, p, n)); !ok || !agree(got, m, n) {
				t.Errorf("%s, %d values: %+v, torchvision's %+v, there %v", key, n, got, m, ok)
			}
		}
	}
	for key := range want {
		t.Errorf("%s is no parameter here", key)
	}
	for _, b := range All() {
		if b.row.Initial != "" && !vouched[b.row.Initial+" "+b.Family] {
			t.Errorf("no network of %s in initial.json vouches for the rule %q of %s", b.Family, b.row.Initial, b.Name)
		}
	}
}

// initialValues draws the first n values of p.
func initialValues(b Backbone, p Parameter, n int) []float32 {
	d := initial(b, p)
	var tensor weights.Tensor
	if d.shape == layerDefault {
		p.Shape = []int{n}
		tensor = draw(p, 5)
	} else {
		tensor = weights.Tensor{DType: weights.F32, Shape: []int{n}, Data: make([]byte, 4*n)}
		d.fill(tensor.Data, random.New(5, "test/"+p.Name))
	}
	values, err := tensor.Float32s()
	if err != nil {
		panic(err) // our own tensor
	}
	return values
}

// What the comparison would let through: nothing of a twentieth more, or of the
// other shape, where there are values enough.
func TestTheComparisonOfDrawsSeesMistakes(t *testing.T) {
	const n = 1 << 17
	b, _ := Lookup("squeezenet1_1")
	p := Parameter{Name: "features.3.squeeze.weight", Shape: []int{n, 1, 1, 1}, Kind: Weight, FanIn: 100}
	want := momentsOf(initialValues(b, p, n))
	for name, d := range map[string]distribution{
		"right": {uniform, math.Sqrt(6. / 100)}, "wider by 5 %": {uniform,
			1.05 * math.Sqrt(6./100)}, "normal": {normal, math.Sqrt(2. / 100)},
	} {
		tensor := make([]byte, 4*n)
		d.fill(tensor, random.New(1, "mistake"))
		values, _ := weights.Tensor{DType: weights.F32, Shape: []int{n}, Data: tensor}.Float32s()
		if agree(momentsOf(values), want, n) != (name == "right") {
			t.Errorf("%s: taken for the right one %v", name, name != "right")
		}
	}
}

func TestInitialWeightsDependOnSeedAndName(t *testing.T) {
	b, seeded := mustSeed(t, "resnet18", 7)
	draws := map[uint64]*weights.StateDict{}
	for _, seed := range []uint64{7, 8} {
		var err error
		if draws[seed], err = InitialWeights(b, seed); err != nil {
			t.Fatal(err)
		}
	}
	again, err := InitialWeights(b, 7)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Names(), seeded.Names()) {
		t.Error("names differ from SeedWeights'")
	}
	for _, name := range again.Names() {
		x, _ := draws[7].Get(name)
		y, _ := again.Get(name)
		s, _ := seeded.Get(name)
		if !bytes.Equal(x.Data, y.Data) || x.DType != s.DType || !slices.Equal(x.Shape, s.Shape) {
			t.Fatalf("%s: not the same twice, or %s %v instead of %s %v", name, x.DType, x.Shape, s.DType, s.Shape)
		}
	}
	w := func(sd *weights.StateDict, name string) []float32 {
		tensor, _ := sd.Get(name)
		values, err := tensor.Float32s()
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	if slices.Equal(w(draws[7], "conv1.weight"), w(draws[8], "conv1.weight")) ||
		slices.Equal(w(again, "conv1.weight")[:8], w(again, "layer1.0.conv1.weight")[:8]) {
		t.Error("another seed or name, the same values")
	}
	// layer4.1.conv2.weight has 36 chunks: each its own numbers.
	if big := w(again, "layer4.1.conv2.weight"); slices.Equal(big[:8], big[initialChunk:initialChunk+8]) {
		t.Error("two chunks are the same")
	}
	// A known value: should it ever change, old runs cannot be repeated.
	for i, want := range []float64{-0.031980984, 0.008183074, 0.019003943} {
		// a bit or two of float32: logarithms differ from one processor to another
		if got := float64(w(again, "conv1.weight")[i]); math.Abs(got-want) > 1e-8 {
			t.Errorf("value %d is %g, want %g", i, got, want)
		}
	}
}
