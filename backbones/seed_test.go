package backbones

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fx/internal/weights"
)

// small are the networks whose weights cost next to nothing to draw.
var small = []string{"resnet18", "squeezenet1_0", "squeezenet1_1", "densenet121", "efficientnet_lite0"}

func mustSeed(t testing.TB, name string, seed uint64) (Backbone, *weights.StateDict) {
	t.Helper()
	b, err := Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	sd, err := SeedWeights(b, seed)
	if err != nil {
		t.Fatal(err)
	}
	return b, sd
}

// Names and shapes of parameters, counters of batch normalisation included, are
// those of torch's state_dict, one for one.
func TestParametersAreTorchvisionsStateDict(t *testing.T) {
	goldens := readGoldens(t)
	for _, b := range All() {
		parameters, err := Parameters(b)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, p := range parameters {
			if p.New {
				continue
			}
			dims := strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Shape), " ", ","), "[]")
			lines = append(lines, p.Name+" "+dims+"\n")
			if layer, ok := strings.CutSuffix(p.Name, "running_var"); ok {
				lines = append(lines, layer+"num_batches_tracked \n")
			}
		}
		slices.Sort(lines)
		sum := sha256.Sum256([]byte(strings.Join(lines, "")))
		if got := hex.EncodeToString(sum[:]); got != goldens.Networks[b.Name].State {
			t.Errorf("%s: %d names hash to %s, torch's to %s", b.Name, len(lines), got, goldens.Networks[b.Name].State)
		}
	}
}

func TestSeedsAreReproducible(t *testing.T) {
	for _, name := range small {
		b, first := mustSeed(t, name, 7)
		_, again := mustSeed(t, name, 7)
		_, other := mustSeed(t, name, 8)
		parameters, _ := Parameters(b)
		for _, p := range parameters {
			x, _ := first.Get(p.Name)
			y, _ := again.Get(p.Name)
			z, _ := other.Get(p.Name)
			if !bytes.Equal(x.Data, y.Data) {
				t.Fatalf("%s %s: the same seed gives other values", name, p.Name)
			}
			if random := p.Kind == Weight || p.Kind == Bias; random == bytes.Equal(x.Data, z.Data) {
				t.Fatalf("%s %s (%s): another seed, the same values: %v", name, p.Name, p.Kind, !random)
			}
		}
		if first.Metadata[metaWeights] != "seed:7" {
			t.Errorf("metadata %v", first.Metadata)
		}
	}
}

// A known value: should it ever change, old runs cannot be repeated.
func TestSeedsNeverChange(t *testing.T) {
	_, sd := mustSeed(t, "squeezenet1_1", 0)
	w, _ := sd.Get("features.0.weight")
	values, err := w.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{0.026498936, 0.024437634, 0.14052653}
	if !slices.Equal(values[:3], want) {
		t.Errorf("first values %v, want %v", values[:3], want)
	}
}

// Uniform in ±1/√fan_in: bounds, mean and variance within five standard errors.
func TestSeedStatistics(t *testing.T) {
	for _, name := range small {
		b, sd := mustSeed(t, name, 3)
		parameters, _ := Parameters(b)
		for _, p := range parameters {
			tensor, _ := sd.Get(p.Name)
			values, err := tensor.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			if p.Kind != Weight && p.Kind != Bias {
				want := map[ParameterKind]float32{Scale: 1, Shift: 0, RunningMean: 0, RunningVariance: 1}[p.Kind]
				if slices.ContainsFunc(values, func(v float32) bool { return v != want }) {
					t.Errorf("%s %s: not all %g", name, p.Name, want)
				}
				continue
			}
			bound := 1 / math.Sqrt(float64(p.FanIn))
			var sum, squares float64
			for _, v := range values {
				if math.Abs(float64(v)) > bound {
					t.Fatalf("%s %s: %g is outside ±%g", name, p.Name, v, bound)
				}
				sum += float64(v) / bound
				squares += float64(v) / bound * float64(v) / bound
			}
			n := float64(len(values))
			if mean := sum / n; math.Abs(mean) > 5*math.Sqrt(1/(3*n)) {
				t.Errorf("%s %s: mean %g of the bound", name, p.Name, mean)
			}
			if variance := squares / n; math.Abs(variance-1.0/3) > 5*math.Sqrt(4/(45*n)) {
				t.Errorf("%s %s: variance %g, want 1/3", name, p.Name, variance)
			}
		}
	}
}

// A head's fan-in is torch's: inputs of a linear layer, channels × kernel of a convolution.
func TestFanIn(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"resnet18":           {"conv1.weight": 147, "layer1.0.conv1.weight": 576, "fc.weight": 512, "fc.bias": 512},
		"efficientnet_lite0": {"_blocks.0._depthwise_conv.weight": 9, "_conv_stem.weight": 27},
		"squeezenet1_0":      {"classifier.1.weight": 512, "classifier.1.bias": 512, "features.0.bias": 147},
	} {
		b, _ := Lookup(name)
		parameters, _ := Parameters(b)
		for _, p := range parameters {
			if fan, ok := want[p.Name]; ok && p.FanIn != fan {
				t.Errorf("%s %s: fan-in %d, want %d", name, p.Name, p.FanIn, fan)
			}
		}
	}
}
