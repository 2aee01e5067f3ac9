package autodiff

import (
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// LossOptions say how CrossEntropy weighs its samples. The zero value is
// torch.nn.CrossEntropyLoss().
type LossOptions struct {
	// LabelSmoothing mixes the target with the uniform distribution, 0–1.
	LabelSmoothing float64

	// ClassWeights, one for each class or nil, weigh the samples by their
	// class; the loss is divided by the sum of the samples' weights.
	ClassWeights []float64
}

// Loss is what CrossEntropy adds to a graph.
type Loss struct {
	Value   string // float32 scalar: the mean loss of the batch
	Correct string // int64 scalar: how many samples have their largest logit, the first of equals, at the label
	Seed    string // gradient of Value with respect to the logits
}

// CrossEntropy adds the loss of logits, float [batch, classes], against labels,
// int64 [batch], written out with ops that every provider has:
//
//	log p = logits - max - log Σ exp(logits - max)
//	t     = ((1-s) onehot·w[label] + s/classes·w) / Σ w[label]
//	loss  = -Σ t log p,  its gradient p Σₖ t - t
//
// s is the label smoothing, w the class weights. Source: the documentation of
// torch.nn.CrossEntropyLoss.
func (g *Graph) CrossEntropy(logits, labels string, options LossOptions) (Loss, error) {
	t, ok := g.values[logits]
	if !ok || len(t.Shape) != 2 || !t.float() {
		return Loss{}, fail.New(fail.Model, "Export the network with one output, its logits.",
			"the logits %q of %q have type %v and shape %v, where floats [batch, classes] are needed", logits, g.model.Graph.Name, t.DType, t.Shape)
	}
	classes := t.Shape[1]
	if w := options.ClassWeights; w != nil && int64(len(w)) != classes {
		return Loss{}, fail.New(fail.Usage, "Give one weight for each class.", "%d class weights for %d classes", len(w), classes)
	}
	before := g.Scope("loss/")
	defer g.Scope(before)
	g.DType = pb.TensorProto_FLOAT
	if t.DType != g.DType {
		logits = g.cast(logits, g.DType)
	}
	shifted := g.Op("Sub", logits, g.reduce("ReduceMax", logits, true, 1))
	logSum := g.Op("Log", g.sum(g.Op("Exp", shifted), true, 1))
	logP := g.Op("Sub", shifted, logSum)
	target, mass := g.target(labels, t.Shape[0], classes, options)
	loss := Loss{Value: g.Op("Neg", g.sum(g.Op("Mul", target, logP), false, 0, 1))}
	p := g.Op("Exp", logP)
	loss.Seed = g.Op("Sub", g.Op("Mul", p, mass), target)
	if t.DType != g.DType {
		loss.Seed = g.cast(loss.Seed, t.DType)
	}
	best := g.With("ArgMax", []string{logits}, onnx.Int("axis", 1), onnx.Int("keepdims", 0))
	hits := g.cast(g.Op("Equal", best, labels), pb.TensorProto_INT64)
	loss.Correct = g.sum(hits, false, 0)
	return loss, nil
}

// target is the distribution t, [batch, classes], and its sum over the classes,
// [batch, 1] or a scalar.
func (g *Graph) target(labels string, batch, classes int64, options LossOptions) (target, mass string) {
	places := make([]int64, classes)
	for i := range places {
		places[i] = int64(i)
	}
	column := g.reshape(labels, batch, 1)
	onehot := g.cast(g.Op("Equal", column, g.Ints(places...)), g.DType)
	s := options.LabelSmoothing
	if options.ClassWeights == nil {
		scaled := g.Op("Mul", onehot, g.Scalar((1-s)/float64(batch)))
		if s != 0 {
			scaled = g.Op("Add", scaled, g.Scalar(s/float64(classes)/float64(batch)))
		}
		return scaled, g.Scalar(1 / float64(batch))
	}
	var smooth []float64
	for _, w := range options.ClassWeights {
		smooth = append(smooth, s/float64(classes)*w)
	}
	weighted := g.Op("Mul", onehot, g.Tensor([]int64{classes}, options.ClassWeights...))
	total := g.sum(weighted, false, 0, 1)
	target = g.Op("Mul", weighted, g.Scalar(1-s))
	if s != 0 {
		target = g.Op("Add", target, g.Tensor([]int64{classes}, smooth...))
	}
	target = g.Op("Div", target, total)
	return target, g.sum(target, true, 1)
}

func (e *Emitter) cast(x string, to pb.TensorProto_DataType) string {
	return e.With("Cast", []string{x}, onnx.Int("to", int64(to)))
}
