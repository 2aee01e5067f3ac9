package backbones

import (
	"fx/internal/fail"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// checkFinite returns an error for weights with NaN or infinity, which would spread to
// every result. The user's own ONNX file may contain infinity for a reason, such as an
// attention mask, but not NaN.
func (n *Network) checkFinite() error {
	name, value := "", 0.0
	switch {
	case n.state != nil && !n.Weights.Random():
		name, value = n.state.NonFinite(false)
	case n.model != nil:
		name, value = firstNaN(n.model.Graph)
	}
	if name == "" {
		return nil
	}
	return fail.New(fail.Model, "Use other weights: a training that diverged leaves such a file, which is useless.",
		"the weights %s hold %v, in the tensor %.100q", n.Weights, value, name)
}

// firstNaN returns the name of an initializer with NaN.
func firstNaN(g *pb.GraphProto) (name string, value float64) {
	types := map[pb.TensorProto_DataType]weights.DType{
		pb.TensorProto_FLOAT: weights.F32, pb.TensorProto_DOUBLE: weights.F64,
		pb.TensorProto_FLOAT16: weights.F16, pb.TensorProto_BFLOAT16: weights.BF16,
	}
	for _, t := range g.Initializer {
		for _, v := range t.FloatData {
			if v != v {
				return t.Name, float64(v)
			}
		}
		dtype := types[t.DataType]
		if dtype == "" || len(t.RawData) == 0 {
			continue
		}
		raw := weights.Tensor{DType: dtype, Shape: []int{len(t.RawData) / dtype.Size()}, Data: t.RawData}
		if v, found := raw.NonFinite(true); found {
			return t.Name, v
		}
	}
	return "", 0
}
