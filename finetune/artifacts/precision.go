package artifacts

import (
	"math"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// The precisions: the type of products and of the activations between them.
// Parameters, statistics, sums, the loss and the optimizer are always float32.
const (
	Float32  = "float32"
	BFloat16 = "bfloat16" // with float32's range
	Float16  = "float16"  // with a dynamic loss scale
)

// low returns the 16-bit type of a mixed precision, 0 for float32.
func (o Options) low() pb.TensorProto_DataType {
	switch o.Precision {
	case BFloat16:
		return pb.TensorProto_BFLOAT16
	case Float16:
		return pb.TensorProto_FLOAT16
	}
	return 0
}

// State of the loss scale, float32 scalars.
const (
	LossScaleName = "#loss_scale" // the factor of the loss
	GoodStepsName = "#good_steps" // since the scale last changed
)

// The settings of torch.amp.GradScaler.
const (
	firstLossScale = 65536
	growthInterval = 2000 // good steps after which the scale doubles
)

// The loss scale is torch.amp.GradScaler as part of the graphs: float16 gradients
// vanish below 6e-8, so the loss is scaled up before the backward pass and the
// gradients are scaled down after it. A step with gradients that are not finite
// leaves parameters and optimizer unchanged and halves the scale; it still updates
// the running statistics, as in torch.

// scaled declares the loss scale, if the precision has one.
func (u *updater) scaled() (scale string) {
	if u.options.Precision != Float16 {
		return ""
	}
	return u.input(Slot{Name: LossScaleName, Kind: LossScaleState})
}

// unscale divides the gradients by the scale, in place, decides whether the step
// counts, and emits the next scale.
func (u *updater) unscale(gradients map[string]string, order []string, scale string) {
	if scale == "" {
		return
	}
	defer u.Scope(u.Scope("loss_scale/"))
	inverse := u.Op("Reciprocal", scale)
	for _, name := range order {
		gradients[name] = u.Op("Mul", gradients[name], inverse)
	}
	// The sum of all squares is finite if every gradient is; then its product with 0 is 0, else NaN.
	zero := u.Scalar(0)
	u.finite = u.Op("Equal", u.Op("Mul", u.squares(gradients, order), zero), zero)

	steps := u.input(Slot{Name: GoodStepsName, Kind: OptimizerState})
	counted := u.Op("Where", u.finite, u.Op("Add", steps, u.Scalar(1)), zero)
	grows := u.Op("Greater", counted, u.Scalar(growthInterval-0.5))
	greater := u.Op("Min", u.Op("Mul", scale, u.Scalar(2)), u.Scalar(math.Ldexp(1, 127)))
	kept := u.Op("Where", grows, greater, scale)
	u.next(LossScaleName, u.Op("Where", u.finite, kept, u.Op("Mul", scale, u.Scalar(0.5))))
	u.next(GoodStepsName, u.Op("Where", grows, zero, counted))
}

// unless returns the new value of a state tensor, or the old one if the step does not
// count.
func (u *updater) unless(old, value string) string {
	if u.finite == "" {
		return value
	}
	return u.Op("Where", u.finite, value, old)
}

// squares returns the sum of all gradients' squares.
func (u *updater) squares(gradients map[string]string, order []string) string {
	var all []string
	for _, name := range order {
		all = append(all, u.With("ReduceSumSquare", []string{gradients[name]}, onnx.Int("keepdims", 0)))
	}
	return u.Op("Sum", all...)
}
