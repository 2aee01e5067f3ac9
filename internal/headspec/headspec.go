package headspec

import "fx/internal/fail"

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
	Kind      Kind    `json:"kind"`
	Features  int     `json:"features"`  // values of a vector, or channels of a map
	Positions int     `json:"positions"` // 1 for Linear; height × width of the map for Conv1x1
	Dropout   float64 `json:"dropout"`   // probability in [0, 1) that training drops a value of the cached feature
	Classes   int     `json:"-"`         // at least 2; a model.json counts its classes instead
}

// Width returns the number of values of one row: Features × Positions.
func (l Layout) Width() int { return l.Features * l.Positions }

// ParameterCount returns the number of trained values.
func (l Layout) ParameterCount() int { return l.Classes*l.Features + l.Classes }

// WeightShape returns the weight's shape in torch: [classes, features], of a convolution [classes, features, 1, 1].
func (l Layout) WeightShape() []int {
	if l.Kind == Conv1x1 {
		return []int{l.Classes, l.Features, 1, 1}
	}
	return []int{l.Classes, l.Features}
}

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

// Params are the numbers of a head, in torch's layout: Weight as WeightShape, row-major, and Bias [classes].
type Params struct {
	Weight, Bias []float32
}

// Check returns an error of kind fail.Model if p doesn't fit l.
func (p Params) Check(l Layout) error {
	if len(p.Weight) != l.Classes*l.Features || len(p.Bias) != l.Classes {
		return fail.New(fail.Model, "Train the head again on these features.",
			"a head of %d weights and %d biases does not fit %d classes of %d "+
				"features", len(p.Weight), len(p.Bias), l.Classes, l.Features)
	}
	return nil
}
