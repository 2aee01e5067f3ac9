package backbones

import (
	"fx/internal/fail"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// checkFinite refuses weights with NaN or infinity, which make every result
// one: the file is at fault, not a learning rate or a photo. An ONNX file of the
// user's own may hold infinity for a reason, such as the mask of an attention,
// but not NaN.
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
	return fail.New(fail.Model, "Take other weights: a training that diverged leaves such a file, and nothing can be learned or told from it.",
		"the weights %s hold %v, in the tensor %.100q", n.Weights, value, name)
}

// firstNaN names an initializer that holds NaN.
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
