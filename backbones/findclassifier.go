package backbones

import (
	"fmt"
	"slices"
	"strings"

	"fx/internal/headspec"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// classifier is the classifier at the end of a network.
type classifier struct {
	head     Head
	features string // its input tensor, "" if nothing was found
	shape    []int  // of the tensor, for one photo; nil if unknown
}

// findClassifier walks back from the first output to the layer that computes the logits:
// a matrix product; a 1×1 convolution followed by ReLU and mean; or a 1×1 convolution
// after a mean, which is equivalent to a matrix product.
func findClassifier(g *pb.GraphProto, ix *onnx.Index) classifier {
	value, bias := g.Output[0].Name, ""
	rectified, averaged := false, false
	for range g.Node {
		n := ix.Producer(value)
		if n == nil || len(n.Input) == 0 || n.Domain != "" {
			return classifier{}
		}
		value = n.Input[0]
		switch n.OpType {
		case "Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Flatten", "Reshape", "Squeeze", "QuantizeLinear",
			"DequantizeLinear":
		case "GlobalAveragePool", "AveragePool", "ReduceMean":
			averaged = true
		case "Relu":
			rectified = true
		case "Add": // the bias of a MatMul
			bias = n.Input[1]
			if ix.Constant(n.Input[0]) != nil {
				value, bias = n.Input[1], n.Input[0]
			}
			if ix.Constant(bias) == nil {
				return classifier{}
			}
		case "Mul": // the scale of a product that is quantized while it runs
			c := ix.Producer(value)
			if c == nil || c.OpType != "Cast" || ix.Producer(c.Input[0]).GetOpType() != "MatMulInteger" {
				return classifier{}
			}
		case "MatMulInteger":
			q := ix.Producer(n.Input[0])
			dims, _, _ := weightDims(n.Input[1], ix)
			if q.GetOpType() != "DynamicQuantizeLinear" || len(dims) != 2 || rectified || averaged {
				return classifier{}
			}
			h := Head{Kind: headspec.Linear, In: int(dims[0]), Classes: int(dims[1])}
			h.Weight, h.Bias = headNames("", "")
			return classifier{head: h, features: q.Input[0], shape: []int{h.In}}
		case "Gemm", "MatMul":
			if rectified || averaged {
				return classifier{}
			}
			return matrixClassifier(n, bias, ix)
		case "Conv":
			if bias != "" || rectified != averaged {
				return classifier{}
			}
			return convClassifier(n, averaged, ix)
		default:
			return classifier{}
		}
	}
	return classifier{}
}

func matrixClassifier(n *pb.NodeProto, bias string, ix *onnx.Index) classifier {
	dims, name, turned := weightDims(n.Input[1], ix)
	if len(dims) != 2 || onnx.IntAttribute(n, "transA", 0) != 0 {
		return classifier{}
	}
	if len(n.Input) > 2 {
		bias = n.Input[2]
	}
	h := Head{Kind: headspec.Linear, In: int(dims[0]), Classes: int(dims[1])}
	if n.OpType == "Gemm" && onnx.IntAttribute(n, "transB", 0) == 1 {
		h.In, h.Classes = h.Classes, h.In
		turned = !turned
	}
	if !turned {
		name, bias = "", "" // not [classes, features], torch's layout: a name of its own
	}
	h.Weight, h.Bias = headNames(name, bias)
	return classifier{head: h, features: n.Input[0], shape: []int{h.In}}
}

func convClassifier(n *pb.NodeProto, onMap bool, ix *onnx.Index) classifier {
	dims, name, _ := weightDims(n.Input[1], ix)
	if len(dims) != 4 || dims[2] != 1 || dims[3] != 1 || onnx.IntAttribute(n, "group", 1) != 1 {
		return classifier{}
	}
	bias := ""
	if len(n.Input) > 2 {
		bias = n.Input[2]
	}
	h := Head{Kind: headspec.Conv1x1, In: int(dims[1]), Classes: int(dims[0])}
	h.Weight, h.Bias = headNames(name, bias)
	if onMap {
		return classifier{head: h, features: n.Input[0]}
	}
	means := []string{"GlobalAveragePool", "ReduceMean"}
	if p := ix.Producer(n.Input[0]); p == nil || !slices.Contains(means, p.OpType) {
		return classifier{}
	}
	h.Kind = headspec.Linear
	return classifier{head: h, features: n.Input[0], shape: []int{h.In, 1, 1}}
}

// headNames sets the names of a head's parameters, the network's if it has them.
func headNames(weight, bias string) (string, string) {
	if weight == "" {
		return "head.weight", "head.bias"
	}
	if layer, ok := strings.CutSuffix(weight, ".weight"); bias == "" && ok {
		bias = layer + ".bias"
	} else if bias == "" {
		bias = weight + ".bias"
	}
	return weight, bias
}

// weightDims returns the dimensions and name of a constant weight. After a Transpose it
// has the transposed dimensions, and turned is true. A quantized weight has no name.
func weightDims(value string, ix *onnx.Index) (dims []int64, name string, turned bool) {
	if t := ix.Constant(value); t != nil {
		return t.Dims, value, false
	}
	n := ix.Producer(value)
	if n == nil || len(n.Input) == 0 || n.OpType != "Transpose" && n.OpType != "DequantizeLinear" {
		return nil, "", false
	}
	dims, name, turned = weightDims(n.Input[0], ix)
	if n.OpType == "DequantizeLinear" {
		return dims, "", turned
	}
	if len(dims) != 2 {
		return nil, "", false
	}
	return []int64{dims[1], dims[0]}, name, !turned
}

// quantized reports whether a value is of 8-bit integers.
func quantized(value string, ix *onnx.Index) bool {
	for n := ix.Producer(value); n != nil && len(n.Input) > 0; n = ix.Producer(n.Input[0]) {
		if n.OpType == "QuantizeLinear" || quantizedOp(n) {
			return true
		}
		if !slices.Contains([]string{"Flatten", "Reshape", "Squeeze", "Transpose", "MaxPool", "Identity"}, n.OpType) {
			return false
		}
	}
	return false
}

// quantizedOp reports whether n computes with 8-bit integers, as in ONNX Runtime's QOperator format.
func quantizedOp(n *pb.NodeProto) bool {
	return strings.HasPrefix(n.OpType, "QLinear") || n.OpType == "QGemm"
}

// lastTensors lists the last tensors of the network, for a message.
func lastTensors(g *pb.GraphProto) string {
	var names []string
	for _, n := range slices.Backward(g.Node) {
		if n.OpType != "Constant" && len(n.Output) > 0 && len(names) < 6 {
			names = append(names, fmt.Sprintf("%s (%s)", n.Output[0], n.OpType))
		}
	}
	return strings.Join(names, ", ")
}
