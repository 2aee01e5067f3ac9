package autodiff

import (
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Mixed precision: parameters, and ops that combine many values, stay float32;
// products, and ops that only move values, use 16 bits. Casts convert between them,
// and because the gradient of a Cast is a Cast, the backward pass has the same types.
// The lists of ops follow torch.autocast's, which are in torch's documentation ("CUDA
// Ops that can autocast to float16").

// lowOps are always computed in the low type.
var lowOps = set("Conv", "ConvTranspose", "Gemm", "MatMul")

// eitherOps keep values, choose among them or add a few: they are computed in the
// type of their inputs, or in float32 if the types are mixed.
var eitherOps = set("Add", "Sub", "Mul", "Neg", "Sum", "Relu", "MaxPool", "GlobalMaxPool", "Dropout", "Where",
	"Identity",
	"Concat", "Split", "Slice", "Gather", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand")

// wholeOps are always computed in float32 and have float32 outputs.
var wholeOps = set("Softmax", "LogSoftmax", "LayerNormalization", "Exp", "Log", "Pow", "Reciprocal", "Softplus", "Erf",
	"ReduceSum", "ReduceSumSquare", "ReduceL2", "RandomUniformLike")

// fixedOps have the same result in every run, because all shapes are fixed.
var fixedOps = set("Constant", "Shape", "Size")

// keepTypeOps are not changed, whatever their input types.
var keepTypeOps = set("Cast", "ConstantOfShape", "Range")

// All other ops are computed in float32 and return the type of their inputs: batch
// normalization and means, so that statistics are exact, and activations with
// constants, as torch's kernels do internally.

func set(names ...string) map[string]bool {
	all := map[string]bool{}
	for _, n := range names {
		all[n] = true
	}
	return all
}

// lowering rewrites a forward pass for mixed precision.
type lowering struct {
	build    *onnx.Builder
	values   map[string]Tensor // of the graph, updated
	low      pb.TensorProto_DataType
	nodes    []*pb.NodeProto // written so far
	constant map[string]bool // values that depend on no input but its shape
	casts    map[cast]string
	exact    map[string]string // by value in the low type, the float32 value that it was rounded from
}

type cast struct {
	value string
	to    pb.TensorProto_DataType
}

// lower inserts the casts of mixed precision into g and makes its outputs float32.
// values are the types and shapes of g's values.
func lower(g *pb.GraphProto, values map[string]Tensor, low pb.TensorProto_DataType) {
	l := &lowering{
		build: onnx.NewBuilder(g, ""), values: values, low: low,
		constant: map[string]bool{}, casts: map[cast]string{}, exact: map[string]string{},
	}
	for _, t := range g.Initializer {
		l.constant[t.Name] = true
	}
	for _, n := range g.Node {
		l.node(n)
	}
	for _, out := range g.Output {
		out.Name = l.cast(out.Name, pb.TensorProto_FLOAT)
	}
	g.Node = l.nodes
}

// node writes one node with the casts that it needs.
func (l *lowering) node(n *pb.NodeProto) {
	uses := onnx.Uses(n)
	varies := slices.ContainsFunc(uses, func(in string) bool { return !l.constant[in] })
	if fixedOps[n.OpType] || len(uses) > 0 && !varies {
		for _, out := range n.Output {
			l.constant[out] = true
		}
		l.nodes = append(l.nodes, n)
		return
	}
	wide, given := false, false // among inputs that are not constant
	for _, i := range l.data(n) {
		if in := n.Input[i]; !l.constant[in] {
			wide = wide || l.values[in].DType == pb.TensorProto_FLOAT
			given = given || l.values[in].DType == l.low
		}
	}
	switch {
	case keepTypeOps[n.OpType]:
		l.nodes = append(l.nodes, n)
	case lowOps[n.OpType], eitherOps[n.OpType] && given && !wide:
		l.convert(n, l.low)
		for _, out := range n.Output {
			if t := l.values[out]; t.DType == pb.TensorProto_FLOAT {
				l.values[out] = Tensor{DType: l.low, Shape: t.Shape}
			}
		}
	case !given || eitherOps[n.OpType] || wholeOps[n.OpType]:
		l.convert(n, pb.TensorProto_FLOAT)
	default:
		l.inFloat32(n)
	}
}

// data returns the inputs of n whose type the casts determine.
func (l *lowering) data(n *pb.NodeProto) []int {
	var all []int
	for i, in := range n.Input {
		if n.OpType == "Dropout" && i > 0 { // the ratio
			break
		}
		if t := l.values[in].DType; in != "" && (t == pb.TensorProto_FLOAT || t == l.low) {
			all = append(all, i)
		}
	}
	return all
}

// convert writes n with its data in the type.
func (l *lowering) convert(n *pb.NodeProto, to pb.TensorProto_DataType) {
	for _, i := range l.data(n) {
		n.Input[i] = l.cast(n.Input[i], to)
	}
	l.nodes = append(l.nodes, n)
}

// inFloat32 writes n in float32 and returns its first output in the low type.
func (l *lowering) inFloat32(n *pb.NodeProto) {
	out := n.Output[0]
	t := l.values[out]
	if t.DType != pb.TensorProto_FLOAT {
		l.convert(n, pb.TensorProto_FLOAT)
		return
	}
	exact := l.build.Fresh(out + "/float32")
	n.Output[0] = exact
	l.convert(n, pb.TensorProto_FLOAT)
	l.values[exact] = t
	l.values[out] = Tensor{DType: l.low, Shape: t.Shape}
	l.exact[out] = exact
	l.write(exact, out, l.low)
}

// cast returns value in a type.
func (l *lowering) cast(value string, to pb.TensorProto_DataType) string {
	t := l.values[value]
	if t.DType == to {
		return value
	}
	if exact := l.exact[value]; exact != "" && to == pb.TensorProto_FLOAT {
		return exact
	}
	key := cast{value, to}
	if l.casts[key] == "" {
		name := l.build.Fresh(value + "/" + typeName(to))
		l.casts[key] = name
		l.values[name] = Tensor{DType: to, Shape: t.Shape}
		l.constant[name] = l.constant[value]
		l.write(value, name, to)
	}
	return l.casts[key]
}

func (l *lowering) write(from, to string, dtype pb.TensorProto_DataType) {
	l.nodes = append(l.nodes, &pb.NodeProto{
		Name: to + "/cast", OpType: "Cast", Input: []string{from}, Output: []string{to},
		Attribute: []*attribute{onnx.Int("to", int64(dtype))},
	})
}

func typeName(dtype pb.TensorProto_DataType) string {
	switch dtype {
	case pb.TensorProto_FLOAT16:
		return "float16"
	case pb.TensorProto_BFLOAT16:
		return "bfloat16"
	}
	return "float32"
}

// bfloat16Opset is the first opset in which Conv and similar ops take bfloat16.
const bfloat16Opset = 22

// fallback describes how to compute an op in float32 if its type has no kernel: the
// inputs to cast, and whether the output has their type.
type fallback struct {
	inputs  []int
	same    bool
	float16 bool // not only for bfloat16
}

// fallbacks follow ONNX Runtime 1.31, which has no bfloat16 kernels of these ops on CUDA
// and no float16 scatter with addition on the CPU. Sums are better in float32 anyway.
var fallbacks = map[string]fallback{
	"ConvTranspose": {inputs: []int{0, 1}, same: true}, "Pad": {inputs: []int{0},
		same: true}, "SpaceToDepth": {inputs: []int{0}, same: true},
	"Greater": {inputs: []int{0, 1}}, "Less": {inputs: []int{0, 1}}, "Equal": {inputs: []int{0, 1}},
	"ScatterElements": {inputs: []int{0, 2}, same: true, float16: true}, "ScatterND": {inputs: []int{0, 2},
		same: true, float16: true},
}

// fallback emits an op in float32 if it has no kernel in the emitter's type. done is
// false if op needs no fallback.
func (e *Emitter) fallback(op string, inputs []string, attributes []*attribute) (output string, done bool) {
	d, needs := fallbacks[op]
	low := e.DType
	if !needs || low != pb.TensorProto_BFLOAT16 && !(d.float16 && low == pb.TensorProto_FLOAT16) {
		return "", false
	}
	e.DType = pb.TensorProto_FLOAT
	defer func() { e.DType = low }()
	wide := slices.Clone(inputs)
	for _, i := range d.inputs {
		wide[i] = e.Cast(inputs[i], pb.TensorProto_FLOAT)
	}
	output = e.With(op, wide, attributes...)
	if d.same {
		output = e.Cast(output, low)
	}
	return output, true
}
