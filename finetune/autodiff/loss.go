package autodiff

import (
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// LossOptions of CrossEntropy. The zero value is torch.nn.CrossEntropyLoss().
type LossOptions struct {
	// LabelSmoothing mixes the target with the uniform distribution, 0–1.
	LabelSmoothing float64

	// ClassWeights, one for each class or nil, weigh the samples by their
	// class; the loss is divided by the sum of the samples' weights.
	ClassWeights []float64
}

// Loss names the values that CrossEntropy adds to a graph.
type Loss struct {
	Value   string // float scalar: the mean loss of the batch
	Weight  string // float scalar: the sum of the samples' weights, their number without class weights
	Correct string // int64 scalar: number of samples whose largest logit, the first of equals, is at the label
	Seed    string // gradient of Value with respect to the logits
}

// CrossEntropy adds the loss of logits, float [batch, classes], for labels, int64
// [batch], with ops that every provider has:
//
//	log p = logits - max - log Σ exp(logits - max)
//	t     = (1-s) onehot·w[label] + s/classes·w
//	loss  = -Σ t log p / Σ w[label],  its gradient (p Σₖ t - t) / Σ w[label]
//
// s is the label smoothing, w the class weights. Source: the documentation of
// torch.nn.CrossEntropyLoss. The logits must have the emitter's DType.
func (e *Emitter) CrossEntropy(logits, labels string, classes int64, options LossOptions) Loss {
	before := e.Scope("loss/")
	defer e.Scope(before)
	shifted := e.Op("Sub", logits, e.reduce("ReduceMax", logits, true, 1))
	logP := e.Op("Sub", shifted, e.Op("Log", e.sum(e.Op("Exp", shifted), true, 1)))

	places := make([]int64, classes)
	for i := range places {
		places[i] = int64(i)
	}
	column := e.Op("Unsqueeze", labels, e.Ints(1))
	weights := e.Cast(e.Op("Equal", column, e.Ints(places...)), e.DType) // one-hot rows
	if options.ClassWeights != nil {
		weights = e.Op("Mul", weights, e.Tensor([]int64{classes}, options.ClassWeights...))
	}
	target, mass := weights, ""
	if options.ClassWeights != nil {
		mass = e.sum(weights, true, 1)
	}
	if s := options.LabelSmoothing; s != 0 {
		uniform := []float64{s / float64(classes)}
		for i, w := range options.ClassWeights {
			if i == 0 {
				uniform = nil
			}
			uniform = append(uniform, w*s/float64(classes))
		}
		smoothing := e.Tensor([]int64{int64(len(uniform))}, uniform...)
		target = e.Op("Add", e.Op("Mul", weights, e.Scalar(1-s)), smoothing)
		if options.ClassWeights != nil {
			mass = e.sum(target, true, 1)
		}
	}
	loss := Loss{Weight: e.sum(weights, false, 0, 1)}
	loss.Value = e.Op("Neg", e.Op("Div", e.sum(e.Op("Mul", target, logP), false, 0, 1), loss.Weight))
	p := e.Op("Exp", logP)
	if mass != "" {
		p = e.Op("Mul", p, mass)
	}
	loss.Seed = e.Op("Div", e.Op("Sub", p, target), loss.Weight)
	best := e.With("ArgMax", []string{logits}, onnx.Int("axis", 1), onnx.Int("keepdims", 0))
	loss.Correct = e.sum(e.Cast(e.Op("Equal", best, labels), pb.TensorProto_INT64), false, 0)
	return loss
}

// Cast converts the element type.
func (e *Emitter) Cast(x string, to pb.TensorProto_DataType) string {
	return e.With("Cast", []string{x}, onnx.Int("to", int64(to)))
}
