package autodiff

import (
	"errors"
	"fmt"
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// opset is the version of ONNX's operators in which the rules are written; graphs of
// version 13 and later are upgraded to it.
const opset, oldestOpset = 18, 13

// prepare fixes the batch size, upgrades the graph to the rules' operator set and
// turns the initializers that vary between runs into inputs.
func prepare(m *pb.ModelProto, options Options) error {
	g := m.Graph
	if g == nil || len(g.Node) == 0 {
		return errors.New("it has no nodes")
	}
	if options.Probe == nil {
		return errors.New("no Probe was given to infer the shapes")
	}
	if err := Upgrade(m); err != nil {
		return err
	}
	if err := onnx.Sort(g); err != nil {
		return err
	}
	if err := fixBatch(g, options.Batch); err != nil {
		return err
	}
	g.ValueInfo = nil
	return openInitializers(g, options)
}

// Upgrade brings m to opset 18, in which the rules and the loss are written, if it has an
// older one from 13 on. It rewrites the nodes whose definition changed between opset 13 and 18: the
// axes of reductions became an input, and Split requires its number of parts.
func Upgrade(m *pb.ModelProto) error {
	version := onnx.Opset(m, "")
	if version >= opset {
		return nil
	}
	if version < oldestOpset {
		return fmt.Errorf("it uses opset %d, and training needs %d or later", version, oldestOpset)
	}
	for _, n := range m.Graph.Node {
		switch n.OpType {
		case "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
			"ReduceLogSum", "ReduceLogSumExp":
			if axes := onnx.Attribute(n, "axes"); axes != nil {
				n.Input = append(n.Input, onnx.NewBuilder(m.Graph, "").Int64s(n.Output[0]+"/axes", axes.Ints...))
				n.Attribute = slices.DeleteFunc(n.Attribute, func(a *pb.AttributeProto) bool { return a == axes })
			}
		case "Split":
			if len(n.Input) < 2 {
				n.Attribute = append(n.Attribute, onnx.Int("num_outputs", int64(len(n.Output))))
			}
		}
	}
	onnx.SetOpset(m, "", opset)
	m.IrVersion = max(m.IrVersion, 8) // the one of opset 18
	return nil
}

func fixBatch(g *pb.GraphProto, batch int) error {
	index := onnx.NewIndex(g)
	for _, in := range g.Input {
		if index.Initializer(in.Name) != nil {
			continue
		}
		_, dims, ok := onnx.Shape(in)
		if !ok {
			return fmt.Errorf("the shape of its input %q is not given", in.Name)
		}
		for i, d := range dims {
			switch {
			case i == 0 && d < 0:
				if batch < 1 {
					return fmt.Errorf("a batch size of %d", batch)
				}
				in.Type.GetTensorType().Shape.Dim[0].Value = &pb.TensorShapeProto_Dimension_DimValue{
					DimValue: int64(batch),
				}
			case d < 0:
				return fmt.Errorf("size %d of its input %q is not fixed", i, in.Name)
			case i == 0 && batch > 0 && d != int64(batch):
				return fmt.Errorf("its input %q is fixed to a batch of %d, but %d was asked for; export it with a "+
					"free batch size", in.Name, d, batch)
			}
		}
	}
	return nil
}

// openInitializers turns initializers into inputs, in the graph's order.
func openInitializers(g *pb.GraphProto, options Options) error {
	open := map[string]bool{}
	for _, name := range append(slices.Clone(options.Trainable), options.Inputs...) {
		open[name] = true
	}
	if !options.FrozenBatchNorm {
		for _, n := range g.Node {
			if n.OpType == "BatchNormalization" && len(n.Input) == 5 {
				open[n.Input[3]], open[n.Input[4]] = true, true
			}
		}
	}
	index := onnx.NewIndex(g)
	for _, name := range options.Trainable {
		t, in := index.Initializer(name), index.Input(name)
		if t == nil && in == nil {
			return fmt.Errorf("it has no parameter %q to train", name)
		}
		dtype, _, _ := onnx.Shape(in)
		if t != nil {
			dtype = t.DataType
		}
		if !(Tensor{DType: dtype}).float() {
			return fmt.Errorf("parameter %q has type %v, which can't be trained", name, dtype)
		}
	}
	for _, name := range options.Inputs {
		if index.Initializer(name) == nil && index.Input(name) == nil {
			return fmt.Errorf("it has no initializer %q to turn into an input", name)
		}
	}
	g.Input = slices.DeleteFunc(g.Input, func(in *pb.ValueInfoProto) bool { return index.Initializer(in.Name) != nil })
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *pb.TensorProto) bool {
		if !open[t.Name] && !onnx.Weightless(t) {
			return false
		}
		g.Input = append(g.Input, tensorInfo(t.Name, t.DataType, t.Dims))
		return true
	})
	return nil
}
