package head

import (
	"math"

	"fx/internal/headspec"
	"fx/internal/random"
)

// A head's kind, shape and parameters.
type (
	Kind   = headspec.Kind
	Layout = headspec.Layout
	Params = headspec.Params
)

// The two kinds of head, see headspec.
const (
	Linear  = headspec.Linear
	Conv1x1 = headspec.Conv1x1
)

// clone returns a deep copy of p.
func clone(p Params) Params {
	return Params{Weight: append([]float32(nil), p.Weight...), Bias: append([]float32(nil), p.Bias...)}
}

// initial returns the parameters before training: weight and bias uniform in
// ±1/√features, the default of torch.nn.Linear and of a 1×1 torch.nn.Conv2d
// (torch/nn/modules/linear.py, reset_parameters).
func initial(l Layout, seed uint64) Params {
	bound := 1 / math.Sqrt(float64(l.Features))
	draw := func(name string, n int) []float32 {
		s := random.New(seed, name)
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(s.Uniform(-bound, bound))
		}
		return v
	}
	return Params{
		Weight: draw("head initial weight", l.Classes*l.Features),
		Bias:   draw("head initial bias", l.Classes),
	}
}
