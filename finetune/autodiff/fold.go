package autodiff

import (
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// folder evaluates integers such as the shape of a Reshape or the bounds of a Slice,
// which exporters compute with a chain of nodes that starts at a Shape. All shapes are
// fixed here, so the chain has one result.
type folder struct {
	index  *onnx.Index
	values map[string]Tensor
	known  map[string][]int64
}

// ints returns the values of an integer (or boolean) constant with at most one
// axis; ok is false if name is anything else.
func (f *folder) ints(name string) (values []int64, ok bool) {
	if v, done := f.known[name]; done {
		return v, v != nil
	}
	f.known[name] = nil // ends a cycle
	if v := f.find(name); v != nil {
		f.known[name] = v
		return v, true
	}
	return nil, false
}

func (f *folder) find(name string) []int64 {
	if t := f.index.Constant(name); t != nil {
		if v, err := onnx.Int64s(t); err == nil && len(t.Dims) <= 1 && len(v) > 0 {
			return v
		}
		return nil
	}
	n := f.index.Producer(name)
	if n == nil || n.Domain != "" || n.Output[0] != name {
		return nil
	}
	if n.OpType == "Shape" {
		shape := f.values[n.Input[0]].Shape
		start, end := onnx.IntAttribute(n, "start", 0), onnx.IntAttribute(n, "end", int64(len(shape)))
		start, end = clampIndex(start, len(shape)), clampIndex(end, len(shape))
		if start >= end {
			return nil
		}
		return shape[start:end]
	}
	evaluate := foldable[n.OpType]
	if evaluate == nil {
		return nil
	}
	var inputs [][]int64
	for _, in := range n.Input {
		v, ok := f.ints(in)
		if !ok && in != "" {
			return nil
		}
		inputs = append(inputs, v)
	}
	return evaluate(n, inputs)
}

// foldable evaluates ops on integers with at most one axis.
var foldable = map[string]func(n *pb.NodeProto, in [][]int64) []int64{
	"Identity":  func(_ *pb.NodeProto, in [][]int64) []int64 { return in[0] },
	"Squeeze":   func(_ *pb.NodeProto, in [][]int64) []int64 { return in[0] },
	"Unsqueeze": func(_ *pb.NodeProto, in [][]int64) []int64 { return in[0] },
	"Reshape":   func(_ *pb.NodeProto, in [][]int64) []int64 { return in[0] },
	"Cast": func(n *pb.NodeProto, in [][]int64) []int64 {
		switch pb.TensorProto_DataType(onnx.IntAttribute(n, "to", 0)) {
		case pb.TensorProto_INT64, pb.TensorProto_INT32:
			return in[0]
		}
		return nil
	},
	"Concat": func(_ *pb.NodeProto, in [][]int64) []int64 {
		var all []int64
		for _, v := range in {
			all = append(all, v...)
		}
		return all
	},
	"Gather": func(_ *pb.NodeProto, in [][]int64) []int64 {
		var taken []int64
		for _, i := range in[1] {
			if i = fromFront(i, len(in[0])); i < 0 || i >= int64(len(in[0])) {
				return nil
			}
			taken = append(taken, in[0][i])
		}
		return taken
	},
	"Slice": func(_ *pb.NodeProto, in [][]int64) []int64 {
		if len(in) < 3 || len(in[1]) != 1 || len(in) > 4 && in[4] != nil && in[4][0] != 1 {
			return nil
		}
		start, end := clampIndex(in[1][0], len(in[0])), clampIndex(in[2][0], len(in[0]))
		if start >= end {
			return nil
		}
		return in[0][start:end]
	},
	"Add": pairwise(func(a, b int64) int64 { return a + b }),
	"Sub": pairwise(func(a, b int64) int64 { return a - b }),
	"Mul": pairwise(func(a, b int64) int64 { return a * b }),
	"Div": pairwise(func(a, b int64) int64 {
		if b == 0 {
			return 0
		}
		return a / b
	}),
}

func pairwise(op func(a, b int64) int64) func(*pb.NodeProto, [][]int64) []int64 {
	return func(_ *pb.NodeProto, in [][]int64) []int64 {
		a, b := in[0], in[1]
		n := max(len(a), len(b))
		if len(a) != n && len(a) != 1 || len(b) != n && len(b) != 1 {
			return nil
		}
		v := make([]int64, n)
		for i := range v {
			v[i] = op(a[i%len(a)], b[i%len(b)])
		}
		return v
	}
}

// clampIndex counts an index from the front and clamps it to 0 … n.
func clampIndex(i int64, n int) int64 { return min(max(fromFront(i, n), 0), int64(n)) }
