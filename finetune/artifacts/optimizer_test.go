package artifacts_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/ort"
)

// optimizerGolden is a case of testdata/optimizers.json.
type optimizerGolden struct {
	artifacts.Options
	LR      float32               `json:"lr"`
	Losses  []float64             `json:"losses"`
	Norms   []float64             `json:"norms"`
	State   map[string][2]float64 `json:"state"` // sum and norm
	Average map[string][2]float64 `json:"average"`
}

func optimizerGoldens(t *testing.T) map[string]optimizerGolden {
	t.Helper()
	text, err := os.ReadFile("testdata/optimizers.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]optimizerGolden
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// Losses within 1e-5 and parameters within 2e-5 of PyTorch's, relative to their
// norm: five steps of float32 in another order of summation.
const lossTolerance, stateTolerance = 1e-5, 2e-5

func TestStepEqualsTorch(t *testing.T) {
	for name, c := range optimizerGoldens(t) {
		for _, by := range []string{"onnx", "kernels"} {
			t.Run(name+"/"+by, func(t *testing.T) {
				n := small(t)
				c.Batch, c.FloatInput, c.Probe, c.Kernels = 4, true, probe(t), by == "kernels"
				step, err := n.Step(c.Options)
				if err != nil {
					t.Fatal(err)
				}
				initial, err := n.Initial(step)
				if err != nil {
					t.Fatal(err)
				}
				r := newRunner(t, step, initial)
				for i := range c.Losses {
					out, err := r.run(smallFeeds(i, c.LR))
					if err != nil {
						t.Fatal(err)
					}
					near(t, "loss", float64(ort.Data[float32](out[step.Loss])[0]), c.Losses[i],
						lossTolerance*c.Losses[i])
					if c.Norms != nil {
						near(t, "norm of the gradients", float64(ort.Data[float32](out[step.GradNorm])[0]),
							c.Norms[i], lossTolerance*c.Norms[i])
					}
				}
				compareState(t, r, c)
			})
		}
	}
}

// The split form, with each batch cut in two halves that count one half each,
// is the same step wherever the loss is a plain mean and batch normalization is
// frozen.
func TestSplitFormEqualsStep(t *testing.T) {
	for name, c := range optimizerGoldens(t) {
		if c.ClassWeights != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			n := small(t)
			c.Batch, c.FloatInput, c.Probe, c.FrozenBatchNorm = 4, true, probe(t), true
			step, err := n.Step(c.Options)
			if err != nil {
				t.Fatal(err)
			}
			c.Batch = 2
			half, err := n.Gradients(c.Options)
			if err != nil {
				t.Fatal(err)
			}
			update, err := n.Update(c.Options)
			if err != nil {
				t.Fatal(err)
			}
			runners := map[*artifacts.Graph]*runner{}
			for _, g := range []*artifacts.Graph{step, half, update} {
				initial, err := n.Initial(g)
				if err != nil {
					t.Fatal(err)
				}
				runners[g] = newRunner(t, g, initial)
			}
			for i := range 3 {
				whole, err := runners[step].run(smallFeeds(i, c.LR))
				if err != nil {
					t.Fatal(err)
				}
				zero, err := n.Initial(half)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range half.State {
					if s.Kind == artifacts.GradientState {
						v, _ := zero.Get(s.Name)
						f, _ := v.Float32s()
						runners[half].state[s.Name] = ort.NewTensor(f, s.Shape...)
					}
				}
				var loss float64
				for part := range 2 {
					out, err := runners[half].run(map[string]ort.Tensor{
						"input":          ort.NewTensor(smallPhotos(i)[part*2*192:(part+1)*2*192], 2, 3, 8, 8),
						"labels":         ort.NewTensor(smallLabels(i)[2*part:2*part+2], 2),
						"gradient_scale": ort.NewTensor([]float32{0.5}),
					})
					if err != nil {
						t.Fatal(err)
					}
					loss += float64(ort.Data[float32](out[half.Loss])[0]) / 2
				}
				near(t, "loss", loss, float64(ort.Data[float32](whole[step.Loss])[0]), lossTolerance)
				for name, v := range runners[half].state {
					runners[update].state[name] = v // gradients, and the parameters as they were
				}
				lr := ort.NewTensor([]float32{c.LR})
				if _, err := runners[update].run(map[string]ort.Tensor{"lr": lr}); err != nil {
					t.Fatal(err)
				}
				for name, v := range runners[update].state {
					if _, ok := runners[half].state[name]; ok {
						runners[half].state[name] = v
					}
				}
			}
			for _, s := range step.State {
				a, b := ort.Data[float32](runners[step].state[s.Name]), runners[update].state[s.Name]
				if b.DType() == 0 {
					b = runners[half].state[s.Name]
				}
				var difference, norm float64
				for i, v := range ort.Data[float32](b) {
					difference += math.Pow(float64(v-a[i]), 2)
					norm += math.Pow(float64(a[i]), 2)
				}
				if math.Sqrt(difference) > 1e-5*math.Sqrt(norm) {
					t.Errorf("%s differs by %.2g of %.2g", s.Name, math.Sqrt(difference), math.Sqrt(norm))
				}
			}
		})
	}
}

func smallFeeds(step int, lr float32) map[string]ort.Tensor {
	return map[string]ort.Tensor{
		"input":  ort.NewTensor(smallPhotos(step), 4, 3, 8, 8),
		"labels": ort.NewTensor(smallLabels(step), 4),
		"lr":     ort.NewTensor([]float32{lr}),
	}
}

func compareState(t *testing.T, r *runner, c optimizerGolden) {
	t.Helper()
	check := func(suffix string, golden map[string][2]float64) {
		for name, want := range golden {
			if c.Optimizer.Name == artifacts.AdamW && (name == "conv.bias" || name == "bn.running_mean") {
				continue // its gradient is zero but for rounding, which AdamW scales up; the mean follows it
			}
			var sum, square float64
			for _, v := range ort.Data[float32](r.state[name+suffix]) {
				sum += float64(v)
				square += float64(v) * float64(v)
			}
			tolerance := stateTolerance * (want[1] + 1e-3)
			near(t, name+suffix+", sum", sum, want[0], 8*tolerance)
			near(t, name+suffix+", norm", math.Sqrt(square), want[1], tolerance)
		}
	}
	check("", c.State)
	check(artifacts.AverageSuffix, c.Average)
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %.8g instead of %.8g (difference %.2g, allowed %.2g)", what, got, want, math.Abs(got-want),
			tolerance)
	}
}
