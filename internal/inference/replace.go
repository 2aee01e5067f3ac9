package inference

import (
	"slices"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// blockedDomain is the domain of ONNX Runtime's ops on blocks of channels.
const blockedDomain = "com.microsoft.nchwc"

// replaceConvolutions replaces every supported convolution with a ConvTiles, and returns their number.
func replaceConvolutions(m *pb.ModelProto) int {
	index := onnx.NewIndex(m.Graph)
	count := 0
	for _, n := range m.Graph.Node {
		if n.Domain != blockedDomain || n.OpType != "Conv" || len(n.Input) < 2 {
			continue
		}
		attributes, ok := asTiles(n, index.Initializer(n.Input[1]))
		if !ok {
			continue
		}
		n.Domain, n.OpType, n.Attribute = kernels.Domain, "ConvTiles", attributes
		count++
	}
	if count > 0 {
		onnx.SetOpset(m, kernels.Domain, kernels.Version)
	}
	return count
}

// asTiles returns the attributes of the ConvTiles that computes what n does. ok is false if it does not support n.
func asTiles(n *pb.NodeProto, weight *pb.TensorProto) (attributes []*pb.AttributeProto, ok bool) {
	lanes := int64(kernels.VectorLength())
	if weight == nil || len(weight.Dims) != 4 || weight.Dims[0]%lanes != 0 || weight.Dims[1]%lanes != 0 {
		return nil, false // with fewer channels than a block, ONNX Runtime's weights have another layout
	}
	size := weight.Dims[2]
	if weight.Dims[3] != size || size != 3 && size != 5 {
		return nil, false
	}
	pads, relu := []int64{0, 0, 0, 0}, int64(0)
	for _, a := range n.Attribute {
		known := true
		switch a.Name {
		case "strides", "dilations":
			known = slices.Equal(a.Ints, []int64{1, 1})
		case "kernel_shape":
			known = slices.Equal(a.Ints, []int64{size, size})
		case "group":
			known = a.I == 1
		case "auto_pad":
			known = string(a.S) == "NOTSET"
		case "activation":
			known, relu = string(a.S) == "Relu", 1
		case "pads":
			known, pads = len(a.Ints) == 4, a.Ints
		default:
			known = false
		}
		if !known {
			return nil, false
		}
	}
	return []*pb.AttributeProto{onnx.Ints("pads", pads...), onnx.Int("relu", relu)}, true
}
