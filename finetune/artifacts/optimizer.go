package artifacts

import (
	"math"
	"slices"

	"fx/finetune/autodiff"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// updater emits the optimizer's nodes and keeps the state's slots.
type updater struct {
	*autodiff.Emitter
	options Options
	state   []Slot
	outputs []*pb.ValueInfoProto
	scalars map[string]string // shared by all parameters
	finite  string            // bool value: whether the step counts; "" if it always does
}

// input declares a state tensor and returns its name.
func (u *updater) input(s Slot) string {
	u.state = append(u.state, s)
	return u.Build.Input(floats(s.Name, s.Shape))
}

// next makes value the next value of the state tensor name.
func (u *updater) next(name, value string) {
	for i, s := range u.state {
		if s.Name == name {
			u.state[i].Next = name + nextSuffix
			u.outputs = append(u.outputs, floats(u.Build.OpTo(name+nextSuffix, "Identity", []string{value}), s.Shape))
		}
	}
}

// clip bounds the norm of all gradients together, as
// torch.nn.utils.clip_grad_norm_ does: factor min(1, bound / (norm + 1e-6)).
func (u *updater) clip(gradients map[string]string, order []string) (norm string) {
	norm = u.Op("Sqrt", u.squares(gradients, order))
	factor := u.Op("Min", u.Scalar(1), u.Op("Div", u.Scalar(u.options.ClipGradNorm), u.Op("Add", norm, u.Scalar(1e-6))))
	for _, name := range order {
		gradients[name] = u.Op("Mul", gradients[name], factor)
	}
	return norm
}

// updateAll emits the new values of the parameters that have a gradient.
func (u *updater) updateAll(parameters []Parameter, gradients map[string]string, rate string) {
	trained := slices.DeleteFunc(slices.Clone(parameters), func(p Parameter) bool { return gradients[p.Name] == "" })
	if u.kernelUpdates() {
		u.sgdKernel(trained, gradients, rate)
		return
	}
	for _, p := range trained {
		u.update(p, gradients[p.Name], rate)
	}
}

// kernelUpdates reports whether one kernel updates all parameters.
func (u *updater) kernelUpdates() bool { return u.options.Kernels && u.options.Optimizer.Name == SGD }

// update emits the new value of one parameter. rate is the learning rate.
func (u *updater) update(p Parameter, gradient, rate string) {
	defer u.Scope(u.Scope(p.Name + "/update/"))
	if p.Head && u.options.HeadMultiplier != 1 {
		rate = u.Op("Mul", rate, u.Scalar(u.options.HeadMultiplier))
	}
	var value string
	if u.options.Optimizer.Name == AdamW {
		value = u.adamw(p, gradient, rate)
	} else {
		value = u.sgd(p, gradient, rate)
	}
	value = u.unless(p.Name, value)
	u.next(p.Name, value)
	u.average(p, value)
}

// sgd is torch.optim.SGD: d = g + wd·p; v = μv + d; p - lr·v, or with Nesterov's
// momentum p - lr·(d + μv). The first v is d, which a buffer of zeros gives too.
func (u *updater) sgd(p Parameter, gradient, rate string) string {
	o := u.options.Optimizer
	if o.WeightDecay != 0 {
		gradient = u.Op("Add", gradient, u.Op("Mul", p.Name, u.Scalar(o.WeightDecay)))
	}
	if o.Momentum != 0 {
		v := u.input(Slot{Name: p.Name + MomentumSuffix, Kind: OptimizerState, Of: p.Name, Shape: dims(p.Shape)})
		next := u.unless(v, u.momentum(v, gradient))
		u.next(v, next)
		if o.Nesterov {
			gradient = u.Op("Add", gradient, u.Op("Mul", next, u.Scalar(o.Momentum)))
		} else {
			gradient = next
		}
	}
	return u.Op("Sub", p.Name, u.Op("Mul", gradient, rate))
}

// sgdKernel is sgd for all parameters at once. Its node waits for every gradient, so
// that all readers of a parameter have run before.
func (u *updater) sgdKernel(parameters []Parameter, gradients map[string]string, rate string) {
	o := u.options.Optimizer
	nesterov := int64(0)
	if o.Nesterov {
		nesterov = 1
	}
	var values, given, momenta []string
	var shapes []autodiff.Tensor
	var multipliers []float32
	for _, p := range parameters {
		values, given = append(values, p.Name), append(given, gradients[p.Name])
		shapes = append(shapes, autodiff.Tensor{DType: pb.TensorProto_FLOAT, Shape: dims(p.Shape)})
		multipliers = append(multipliers, 1)
		if p.Head {
			multipliers[len(multipliers)-1] = float32(u.options.HeadMultiplier)
		}
		if o.Momentum != 0 {
			momenta = append(momenta,
				u.input(Slot{Name: p.Name + MomentumSuffix, Kind: OptimizerState, Of: p.Name, Shape: dims(p.Shape)}))
		}
	}
	attributes := []*pb.AttributeProto{
		onnx.Int("count", int64(len(parameters))), onnx.Float("momentum", float32(o.Momentum)),
		onnx.Float("weight_decay", float32(o.WeightDecay)), onnx.Int("nesterov", nesterov),
	}
	if u.options.HeadMultiplier != 1 {
		attributes = append(attributes, onnx.Floats("rate_multipliers", multipliers...))
	}
	if len(momenta) > 0 {
		shapes = slices.Concat(shapes, shapes)
	}
	made := u.Kernel("SGD", slices.Concat([]string{rate}, values, given, momenta), shapes, attributes...)
	for i, v := range momenta {
		u.next(v, made[len(parameters)+i])
	}
	for i, p := range parameters {
		u.next(p.Name, made[i])
		u.average(p, made[i])
	}
}

// momentum emits μv + gradient. If the gradient is a Gemm of its own, as in a linear
// layer, the Gemm adds μv: two passes fewer over the largest tensors of networks such
// as AlexNet.
func (u *updater) momentum(v, gradient string) string {
	o := u.options
	if o.Optimizer.WeightDecay == 0 && o.ClipGradNorm == 0 && !o.Optimizer.Nesterov {
		for _, n := range u.Build.Graph.Node {
			if n.OpType == "Gemm" && n.Output[0] == gradient && len(n.Input) == 2 {
				n.Input = append(n.Input, v)
				n.Attribute = append(n.Attribute, onnx.Float("beta", float32(o.Optimizer.Momentum)))
				return gradient
			}
		}
	}
	return u.Op("Add", u.Op("Mul", v, u.Scalar(o.Optimizer.Momentum)), gradient)
}

// adamw is torch.optim.AdamW: p ← p - lr·wd·p; m = β₁m + (1-β₁)g;
// v = β₂v + (1-β₂)g²; p - lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε).
func (u *updater) adamw(p Parameter, gradient, rate string) string {
	o := u.options.Optimizer
	moment := func(suffix string, beta float64, fresh string) string {
		m := u.input(Slot{Name: p.Name + suffix, Kind: OptimizerState, Of: p.Name, Shape: dims(p.Shape)})
		next := u.unless(m, u.Op("Add", u.Op("Mul", m, u.Scalar(beta)), u.Op("Mul", fresh, u.Scalar(1-beta))))
		u.next(m, next)
		return next
	}
	m := moment(firstSuffix, o.Beta1, gradient)
	v := moment(secondSuffix, o.Beta2, u.Op("Mul", gradient, gradient))
	first, second := u.corrections()
	deviation := u.Op("Add", u.Op("Mul", u.Op("Sqrt", v), second), u.Scalar(o.Epsilon))
	value := p.Name
	if o.WeightDecay != 0 {
		value = u.Op("Mul", value, u.Op("Sub", u.Scalar(1), u.Op("Mul", rate, u.Scalar(o.WeightDecay))))
	}
	return u.Op("Sub", value, u.Op("Div", u.Op("Mul", m, u.Op("Mul", rate, first)), deviation))
}

// corrections returns 1/(1-β₁ᵗ) and 1/√(1-β₂ᵗ) of step t, emitted once. They are
// computed in double precision, as in torch: in float32, 1-0.999 keeps four digits.
func (u *updater) corrections() (first, second string) {
	if u.scalars == nil {
		defer u.Scope(u.Scope("optimizer/"))
		before := u.input(Slot{Name: stepName, Kind: OptimizerState})
		t := u.unless(before, u.Op("Add", before, u.Scalar(1)))
		u.next(stepName, t)
		t = u.Cast(t, pb.TensorProto_DOUBLE)
		u.DType = pb.TensorProto_DOUBLE
		left := func(beta float64) string { // 1 - βᵗ = 1 - exp(t ln β)
			return u.Op("Sub", u.Scalar(1), u.Op("Exp", u.Op("Mul", t, u.Scalar(math.Log(beta)))))
		}
		first := u.Op("Reciprocal", left(u.options.Optimizer.Beta1))
		second := u.Op("Reciprocal", u.Op("Sqrt", left(u.options.Optimizer.Beta2)))
		u.DType = pb.TensorProto_FLOAT
		u.scalars = map[string]string{"first": u.Cast(first, u.DType), "second": u.Cast(second, u.DType)}
	}
	return u.scalars["first"], u.scalars["second"]
}

// average emits the moving average of a parameter or statistic:
// a ← decay·a + (1-decay)·value.
func (u *updater) average(p Parameter, value string) {
	decay := u.options.EMA
	if decay == 0 {
		return
	}
	a := u.input(Slot{Name: p.Name + AverageSuffix, Kind: AverageState, Of: p.Name, Shape: dims(p.Shape)})
	u.next(a, u.Op("Add", u.Op("Mul", a, u.Scalar(decay)), u.Op("Mul", value, u.Scalar(1-decay))))
}
