package artifacts

import (
	"slices"

	"fx/backbones"
	"fx/finetune/autodiff"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/weights"
)

// Eval returns the graph that evaluates a batch of any size, in float32: without dropout
// and auxiliary heads, and with the running statistics of batch normalization. Its
// outputs are logits, mean loss, its weight in a mean over batches, and the number of
// correct predictions.
func (n *Network) Eval(o Options) (*Graph, error) {
	o, err := o.resolved()
	if err != nil {
		return nil, err
	}
	m := onnx.Clone(n.graph)
	image, err := n.takeImages(m, o.FloatInput)
	if err != nil {
		return nil, err
	}
	g := m.Graph
	if err := toInference(g); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "the network %s", n.Name)
	}
	graph := &Graph{
		Model: m, Image: image, Labels: labelsName,
		Loss: lossName, LossWeight: lossWeightName, Correct: correctName, Logits: logitsName,
	}
	index := onnx.NewIndex(g)
	for _, p := range n.Parameters {
		if t := index.Initializer(p.Name); t != nil {
			kind := ParameterState
			if p.Statistic {
				kind = StatisticState
			}
			graph.State = append(graph.State, Slot{Name: p.Name, Kind: kind, Of: p.Name, Shape: t.Dims})
			g.Initializer = slices.DeleteFunc(g.Initializer, func(i *pb.TensorProto) bool { return i == t })
			if index.Input(p.Name) == nil {
				g.Input = append(g.Input, floats(p.Name, t.Dims))
			}
		}
	}
	u := autodiff.NewEmitter(g)
	labels := u.Build.Input(onnx.TensorInfo(labelsName, pb.TensorProto_INT64, "batch"))
	loss := u.CrossEntropy(logitsName, labels, int64(n.Classes),
		autodiff.LossOptions{LabelSmoothing: o.LabelSmoothing, ClassWeights: o.ClassWeights})
	outputs := []*pb.ValueInfoProto{onnx.TensorInfo(logitsName, pb.TensorProto_FLOAT, "batch", n.Classes)}
	for _, r := range []struct {
		name, value string
		dtype       pb.TensorProto_DataType
	}{
		{lossName, loss.Value, pb.TensorProto_FLOAT},
		{lossWeightName, loss.Weight, pb.TensorProto_FLOAT},
		{correctName, loss.Correct, pb.TensorProto_INT64},
	} {
		u.Build.OpTo(r.name, "Identity", []string{r.value})
		outputs = append(outputs, scalar(r.name, r.dtype))
	}
	if err := onnx.Cut(g, outputs...); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "the network %s", n.Name)
	}
	index = onnx.NewIndex(g)
	graph.State = slices.DeleteFunc(graph.State, func(s Slot) bool { return index.Input(s.Name) == nil })
	return graph, label(m, n.Name+" evaluation", graph)
}

// toInference brings g into the form for inference, with its first output alone, called logits.
func toInference(g *pb.GraphProto) error {
	if err := onnx.Cut(g, g.Output[0]); err != nil {
		return err
	}
	if err := backbones.ToInference(g); err != nil {
		return err
	}
	return onnx.Rename(g, map[string]string{g.Output[0].Name: logitsName})
}

// Embed returns the graph's model with state as initializers instead of inputs. Then
// ONNX Runtime can fold batch normalization and pack weights. It suits state that does
// not change between runs. Values are float32, by the slots' names; missing ones stay
// inputs. Tensor data is shared.
func (g *Graph) Embed(values *weights.StateDict) (*pb.ModelProto, error) {
	m := onnx.Clone(g.Model)
	for _, s := range g.State {
		t, ok := values.Get(s.Name)
		if !ok || s.Next != "" {
			continue
		}
		if !slices.Equal(dims(t.Shape), s.Shape) {
			return nil, fail.New(fail.Model, "Give the values of this network.", "%s has shape %v instead of %v",
				s.Name, t.Shape, s.Shape)
		}
		v, err := t.Float32s()
		if err != nil {
			return nil, fail.Wrap(fail.Model, err, "", "%s", s.Name)
		}
		if t.DType == weights.F32 {
			m.Graph.Initializer = append(m.Graph.Initializer,
				onnx.NewRaw(s.Name, pb.TensorProto_FLOAT, s.Shape, t.Data))
		} else {
			m.Graph.Initializer = append(m.Graph.Initializer, onnx.NewFloat32(s.Name, s.Shape, v))
		}
		m.Graph.Input = slices.DeleteFunc(m.Graph.Input, func(in *pb.ValueInfoProto) bool { return in.Name == s.Name })
	}
	return m, nil
}

// Initial returns the initial state of a training run: the network's values, zeros for
// the optimizer and for gradients, copies for averages, and GradScaler's initial loss
// scale.
func (n *Network) Initial(g *Graph) (*weights.StateDict, error) {
	state := weights.NewStateDict()
	for _, s := range g.State {
		shape := sizes(s.Shape)
		switch s.Kind {
		case OptimizerState, GradientState:
			state.Set(s.Name, filled(shape, 0))
		case LossScaleState:
			state.Set(s.Name, filled(shape, firstLossScale))
		default:
			t, ok := n.Values.Get(s.Of)
			if !ok || !slices.Equal(t.Shape, shape) {
				return nil, fail.New(fail.Model, "", "the network %s has no value of shape %v for %s", n.Name, shape,
					s.Name)
			}
			state.Set(s.Name, t)
		}
	}
	return state, nil
}
