package inference

import (
	"slices"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Domains of ONNX Runtime's own ops: on blocks of channels, and others.
const (
	blockedDomain = "com.microsoft.nchwc"
	microsoft     = "com.microsoft"
)

// replaceConvolutions replaces every supported convolution with a ConvTiles or a Conv3x3, and returns their number.
func replaceConvolutions(m *pb.ModelProto) int {
	index := onnx.NewIndex(m.Graph)
	count := 0
	for _, n := range m.Graph.Node {
		if len(n.Input) < 2 {
			continue
		}
		op, attributes := "ConvTiles", []*pb.AttributeProto(nil)
		ok := false
		switch weight := index.Initializer(n.Input[1]); {
		case weight == nil || len(weight.Dims) != 4:
		case n.Domain == blockedDomain && n.OpType == "Conv":
			attributes, ok = asTiles(n, weight)
		case n.Domain == "" && n.OpType == "Conv" ||
			n.Domain == microsoft && n.OpType == "FusedConv" && len(n.Input) < 4:
			op = "Conv3x3"
			attributes, ok = asGroups(n, weight)
		}
		if !ok {
			continue
		}
		n.Domain, n.OpType, n.Attribute = kernels.Domain, op, attributes
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
	if weight.Dims[0]%lanes != 0 || weight.Dims[1]%lanes != 0 {
		return nil, false // with fewer channels than a block, ONNX Runtime's weights have another layout
	}
	c, ok := readConvolution(n, weight)
	if !ok || c.size != 3 && c.size != 5 || c.group != 1 {
		return nil, false
	}
	return []*pb.AttributeProto{onnx.Ints("pads", c.pads...), onnx.Int("relu", c.relu)}, true
}

// asGroups is asTiles for Conv3x3: convolutions whose groups are no whole blocks, which ONNX Runtime computes one group
// after the other.
func asGroups(n *pb.NodeProto, weight *pb.TensorProto) (attributes []*pb.AttributeProto, ok bool) {
	c, ok := readConvolution(n, weight)
	if !ok || c.size != 3 || c.group == 1 || slices.Max(c.pads) > 2 ||
		min(weight.Dims[1], weight.Dims[0]/c.group) < kernels.LeastGroup {
		return nil, false
	}
	return []*pb.AttributeProto{onnx.Ints("pads", c.pads...), onnx.Int("group", c.group), onnx.Int("relu", c.relu)},
		true
}

// simpleConvolution has a square kernel, and strides and dilations of 1.
type simpleConvolution struct {
	size, group, relu int64
	pads              []int64
}

// readConvolution reads n's attributes. ok is false if it is no simpleConvolution.
func readConvolution(n *pb.NodeProto, weight *pb.TensorProto) (c simpleConvolution, ok bool) {
	c = simpleConvolution{size: weight.Dims[2], group: 1, pads: []int64{0, 0, 0, 0}}
	if weight.Dims[3] != c.size {
		return c, false
	}
	for _, a := range n.Attribute {
		known := true
		switch a.Name {
		case "strides", "dilations":
			known = slices.Equal(a.Ints, []int64{1, 1})
		case "kernel_shape":
			known = slices.Equal(a.Ints, []int64{c.size, c.size})
		case "group":
			c.group = a.I
		case "auto_pad":
			known = string(a.S) == "NOTSET"
		case "activation":
			known, c.relu = string(a.S) == "Relu", 1
		case "pads":
			known, c.pads = len(a.Ints) == 4, a.Ints
		default:
			known = false
		}
		if !known {
			return c, false
		}
	}
	return c, true
}
