package head

import (
	"math"

	"fx/internal/fail"
	"fx/internal/random"
)

// Kind is the kind of a head.
type Kind string

// The two kinds of head.
const (
	// Linear is dropout → torch.nn.Linear on a vector.
	Linear Kind = "linear"
	// Conv1x1 is SqueezeNet's classifier: dropout → 1×1 torch.nn.Conv2d → ReLU
	// → mean over the positions of a map.
	Conv1x1 Kind = "conv1x1"
)

// Layout is the shape of a head.
type Layout struct {
	Kind      Kind
	Features  int     // values of a vector, or channels of a map
	Positions int     // 1 for Linear; height × width of the map for Conv1x1
	Classes   int     // at least 2
	Dropout   float64 // probability in [0, 1) that training drops a value of the cached feature
}

// width returns the number of values of one row: Features × Positions.
func (l Layout) width() int { return l.Features * l.Positions }

// ParameterCount returns the number of trained values.
func (l Layout) ParameterCount() int { return l.Classes*l.Features + l.Classes }

// Check returns an error of kind fail.Usage if l is invalid.
func (l Layout) Check() error {
	const hint = "The layout comes from the backbone and the class folders of the photos."
	switch {
	case l.Kind != Linear && l.Kind != Conv1x1:
		return fail.New(fail.Usage, hint, "a head of kind %q is neither %q nor %q", l.Kind, Linear, Conv1x1)
	case l.Features < 1 || l.Positions < 1:
		return fail.New(fail.Usage, hint, "a head of %d features at %d positions", l.Features, l.Positions)
	case l.Kind == Linear && l.Positions != 1:
		return fail.New(fail.Usage, hint, "a linear head reads vectors, not maps of %d positions", l.Positions)
	case l.Classes < 2:
		return fail.New(fail.Usage, "Give at least two class folders.",
			"a classifier needs two classes or more, not %d", l.Classes)
	case !(l.Dropout >= 0 && l.Dropout < 1):
		return fail.New(fail.Usage, hint, "dropout %g is outside [0, 1)", l.Dropout)
	}
	return nil
}

// Params are the numbers of a head, in torch's layout: Weight [classes,
// features] row-major (of a 1×1 convolution [classes, features, 1, 1]), Bias [classes].
type Params struct {
	Weight, Bias []float32
}

// check returns an error of kind fail.Model if p doesn't fit l.
func (p Params) check(l Layout) error {
	if len(p.Weight) != l.Classes*l.Features || len(p.Bias) != l.Classes {
		return fail.New(fail.Model, "Train the head again on these features.",
			"a head of %d weights and %d biases does not fit %d classes of %d "+
				"features", len(p.Weight), len(p.Bias), l.Classes, l.Features)
	}
	return nil
}

// clone returns a deep copy of p.
func (p Params) clone() Params {
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
