package artifacts_test

import (
	"slices"
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// withDepth writes stochastic depth, as scripts/export_onnx does, behind the first Relu.
func withDepth(m *pb.ModelProto) {
	after := slices.IndexFunc(m.Graph.Node, func(n *pb.NodeProto) bool { return n.OpType == "Relu" })
	relu := m.Graph.Node[after].Output[0]
	m.Graph.Node[after].Output[0] = "activation"
	b := onnx.NewBuilder(m.Graph, "")
	end := len(m.Graph.Node)
	batch := b.Op("Shape", []string{"activation"}, onnx.Int("end", 1))
	shape := b.Op("Concat", []string{batch, b.Int64s("ones", 1, 1, 1)}, onnx.Int("axis", 0))
	one := onnx.TensorAttribute("value", onnx.NewFloat32("", []int64{1}, []float32{1}))
	training := b.Constant(onnx.NewRaw("training", pb.TensorProto_BOOL, nil, []byte{1}))
	mask := b.Op("Dropout", []string{b.Op("ConstantOfShape", []string{shape}, one), b.Float32("drop", 0.25), training})
	b.OpTo(relu, "Mul", []string{"activation", mask})
	added := slices.Clone(m.Graph.Node[end:])
	m.Graph.Node = slices.Insert(m.Graph.Node[:end], after+1, added...)
}

// Training draws a mask with one number a sample; inference has neither mask nor product.
func TestStochasticDepth(t *testing.T) {
	plain, deep := edited(t, func(*pb.ModelProto) {}), edited(t, withDepth)
	n := fromFile(t, deep, backbones.FileOptions{})
	step, err := n.Step(artifacts.Options{Batch: 3, Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	if len(step.Noise) != 2 || !slices.Equal(step.Noise[0].Shape, []int64{3, 1, 1, 1}) || step.Noise[0].Drop != 0.25 {
		t.Errorf("noise %+v", step.Noise)
	}
	ops := func(g *pb.GraphProto) []string {
		var all []string
		for _, n := range g.Node {
			all = append(all, n.OpType)
		}
		return all
	}
	eval := func(path string) []string {
		g, err := fromFile(t, path, backbones.FileOptions{}).Eval(artifacts.Options{Batch: 3, Probe: probe(t)})
		if err != nil {
			t.Fatal(err)
		}
		return ops(g.Model.Graph)
	}
	extract := func(path string) []string {
		_, m, err := backbones.FromFile(path, backbones.FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return ops(m.Graph)
	}
	if got, want := eval(deep), eval(plain); !slices.Equal(got, want) {
		t.Errorf("eval computes %v instead of %v", got, want)
	}
	if got, want := extract(deep), extract(plain); !slices.Equal(got, want) {
		t.Errorf("extract computes %v instead of %v", got, want)
	}
}
