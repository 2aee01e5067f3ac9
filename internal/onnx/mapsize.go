package onnx

import (
	"slices"

	"fx/internal/onnx/pb"
)

// mapSize is the height and width of a feature map.
type mapSize [2]int64

// EmptyMap follows square images of so many pixels a side through g, from the input
// of that name, and returns the first value of a convolution or pooling that has no
// pixel left: ONNX Runtime divides by zero on it. "" means that there is none, as far
// as the sizes can be followed: an op that is not known ends them.
func EmptyMap(g *pb.GraphProto, input string, side int) string {
	index := NewIndex(g)
	sizes := map[string]mapSize{input: {int64(side), int64(side)}}
	for _, n := range g.Node {
		size, known := outputSize(n, index, sizes)
		if !known || len(n.Output) == 0 {
			continue
		}
		if size[0] < 1 || size[1] < 1 {
			return n.Output[0]
		}
		sizes[n.Output[0]] = size
	}
	return ""
}

// outputSize returns the size of the maps that n makes, where it is known.
func outputSize(n *pb.NodeProto, index *Index, sizes map[string]mapSize) (size mapSize, known bool) {
	for _, in := range n.Input { // of those that broadcast the largest counts
		if s, ok := sizes[in]; ok {
			size, known = mapSize{max(size[0], s[0]), max(size[1], s[1])}, true
		}
	}
	if !known || n.Domain != "" {
		return size, false
	}
	switch n.OpType {
	case "Conv", "MaxPool", "AveragePool", "LpPool":
		return windows(n, index, size)
	case "GlobalAveragePool", "GlobalMaxPool":
		return mapSize{1, 1}, true
	case "Concat", "Gather": // of channels
		return size, IntAttribute(n, "axis", 0) == 1
	case "Transpose":
		perm := Attribute(n, "perm").GetInts()
		return size, slices.Equal(perm, []int64{0, 3, 1, 2}) || slices.Equal(perm, []int64{0, 2, 3, 1})
	}
	return size, slices.Contains(elementwise, n.OpType)
}

// elementwise lists the ops of networks for images that keep a map's size.
var elementwise = []string{
	"Add", "BatchNormalization", "Cast", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish",
	"Identity", "InstanceNormalization", "LRN", "LeakyRelu", "Max", "Min", "Mish", "Mul", "PRelu", "Pow", "Relu",
	"Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Sum", "Tanh", "Unsqueeze",
}

// windows returns how many windows of a convolution or pooling fit into maps of a size,
// as ONNX defines it.
func windows(n *pb.NodeProto, index *Index, in mapSize) (out mapSize, known bool) {
	kernel := Attribute(n, "kernel_shape").GetInts()
	if kernel == nil && n.OpType == "Conv" && len(n.Input) > 1 {
		if w := index.Initializer(n.Input[1]); w != nil && len(w.Dims) == 4 {
			kernel = w.Dims[2:]
		}
	}
	if len(kernel) != 2 {
		return out, false
	}
	strides, dilations := listAttribute(n, "strides", 2, 1), listAttribute(n, "dilations", 2, 1)
	pads := listAttribute(n, "pads", 4, 0)
	switch string(Attribute(n, "auto_pad").GetS()) {
	case "", "NOTSET", "VALID":
	default:
		return out, false // padded so that something is left
	}
	for i := range out {
		if strides[i] < 1 {
			return out, false
		}
		room := in[i] + pads[i] + pads[i+2] - dilations[i]*(kernel[i]-1) - 1
		if IntAttribute(n, "ceil_mode", 0) == 1 {
			room += strides[i] - 1
		}
		if room >= 0 { // else not one window
			out[i] = room/strides[i] + 1
		}
	}
	return out, true
}

// listAttribute returns a list of integers, all of them value where n has no such list.
func listAttribute(n *pb.NodeProto, name string, length int, value int64) []int64 {
	if list := Attribute(n, name).GetInts(); len(list) == length {
		return list
	}
	return slices.Repeat([]int64{value}, length)
}
