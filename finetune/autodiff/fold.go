package autodiff

import (
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// foldIntegers returns the integer (and boolean) lists of m that depend on no input, such as the shape of a Reshape
// or the pads of a Pad, by name. Exporters compute them with chains of nodes that start at a Shape. All shapes are
// fixed here, so ask evaluates every chain once. values are the types and shapes of m's values.
func foldIntegers(m *pb.ModelProto, values map[string]Tensor, ask Probe) (map[string][]int64, error) {
	constant := onnx.Clone(m)
	g, nodes := constant.Graph, constant.Graph.Node
	g.Input, g.Node, g.ValueInfo = nil, nil, nil
	index := onnx.NewIndex(g)
	folded := map[string][]int64{}
	known := map[string]bool{}
	var wanted []string
	for _, n := range nodes {
		if n.OpType == "Shape" && n.Domain == "" {
			shape := partOfShape(n, values[n.Input[0]].Shape)
			g.Initializer = append(g.Initializer, onnx.NewInt64(n.Output[0], []int64{int64(len(shape))}, shape))
			folded[n.Output[0]], known[n.Output[0]] = shape, true
			continue
		}
		varies := func(in string) bool { return !known[in] && index.Initializer(in) == nil }
		if n.Domain != "" || random[n.OpType] || slices.ContainsFunc(onnx.Uses(n), varies) {
			continue
		}
		g.Node = append(g.Node, n)
		for _, out := range n.Output {
			known[out] = true
			t := values[out]
			if n.OpType != "Constant" && integer(t.DType) && len(t.Shape) <= 1 {
				wanted = append(wanted, out)
			}
		}
	}
	if len(wanted) == 0 {
		return folded, nil
	}
	build := onnx.NewBuilder(g, "")
	outputs := make([]*pb.ValueInfoProto, len(wanted))
	for i, name := range wanted {
		whole := build.Op("Cast", []string{name}, onnx.Int("to", int64(pb.TensorProto_INT64)))
		outputs[i] = &pb.ValueInfoProto{Name: whole}
	}
	if err := onnx.Cut(g, outputs...); err != nil {
		return nil, err
	}
	answer, err := ask(constant)
	if err != nil {
		return nil, err
	}
	for i, name := range wanted {
		folded[name] = answer[outputs[i].Name].Integers
	}
	return folded, nil
}

func integer(t pb.TensorProto_DataType) bool {
	return t == pb.TensorProto_INT64 || t == pb.TensorProto_INT32 || t == pb.TensorProto_BOOL
}

// random lists the ops that draw random numbers.
var random = set("RandomUniform", "RandomNormal", "RandomUniformLike", "RandomNormalLike", "Bernoulli", "Multinomial",
	"Dropout")

// partOfShape returns the result of a Shape node.
func partOfShape(n *pb.NodeProto, shape []int64) []int64 {
	clamp := func(i int64) int64 { return min(max(fromFront(i, len(shape)), 0), int64(len(shape))) }
	start, end := clamp(onnx.IntAttribute(n, "start", 0)), clamp(onnx.IntAttribute(n, "end", int64(len(shape))))
	return shape[start:max(start, end)]
}

// integers returns the values of an integer (or boolean) constant with at most one axis; ok is false if name is
// anything else, or empty.
func (g *Graph) integers(name string) (values []int64, ok bool) {
	if v, ok := g.folded[name]; ok {
		return v, len(v) > 0
	}
	t := g.index.Constant(name)
	if t == nil || len(t.Dims) > 1 {
		return nil, false
	}
	v, err := onnx.Int64s(t)
	return v, err == nil && len(v) > 0
}
