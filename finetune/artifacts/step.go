package artifacts

import (
	"encoding/json"
	"slices"
	"strings"

	"fx/finetune/autodiff"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Step returns the graph of a whole training step in one run: forward, loss, backward
// and update.
func (n *Network) Step(o Options) (*Graph, error) {
	t, err := n.train(o)
	if err != nil {
		return nil, err
	}
	scale := t.u.scaled()
	gradients, err := t.backward(scale)
	if err != nil {
		return nil, err
	}
	t.u.unscale(gradients, t.trained, scale)
	rate := t.u.Build.Input(scalar(learningRateName, pb.TensorProto_FLOAT))
	t.graph.LearningRate = rate
	if t.u.options.ClipGradNorm > 0 {
		t.result(&t.graph.GradNorm, gradNormName, t.u.clip(gradients, t.trained), pb.TensorProto_FLOAT)
	}
	t.u.updateAll(n.Parameters, gradients, rate)
	for _, p := range n.Parameters {
		if s := t.statistics[p.Name]; s != "" {
			t.u.average(p, s)
		}
	}
	return t.finish(n.Name + " training step")
}

// Gradients returns the graph that adds the gradients of one batch, times the batch's
// weight (the input Scale), to those of earlier batches.
func (n *Network) Gradients(o Options) (*Graph, error) {
	t, err := n.train(o)
	if err != nil {
		return nil, err
	}
	scale := t.u.Build.Input(scalar(scaleName, pb.TensorProto_FLOAT))
	t.graph.Scale = scale
	gradients, err := t.backward(scale, t.u.scaled())
	if err != nil {
		return nil, err
	}
	for _, p := range n.Parameters {
		if gradient, ok := gradients[p.Name]; ok {
			sum := t.u.input(Slot{Name: p.Name + GradientSuffix, Kind: GradientState, Of: p.Name, Shape: dims(p.Shape)})
			t.u.next(sum, t.u.Op("Add", sum, gradient))
		}
	}
	return t.finish(n.Name + " gradients")
}

// Update returns the graph that updates the parameters by accumulated gradients.
func (n *Network) Update(o Options) (*Graph, error) {
	o, err := o.resolved()
	if err != nil {
		return nil, err
	}
	names, err := n.Select(o.Trainable)
	if err != nil {
		return nil, err
	}
	m := &pb.ModelProto{IrVersion: 9, Graph: &pb.GraphProto{}}
	onnx.SetOpset(m, "", max(onnx.Opset(n.graph, ""), 18))
	u := &updater{Emitter: autodiff.NewEmitter(m.Graph), options: o}
	t := &graphBuilder{u: u, trained: names, graph: &Graph{LearningRate: learningRateName}}
	gradients := map[string]string{}
	rate := u.Build.Input(scalar(learningRateName, pb.TensorProto_FLOAT))
	for _, p := range n.Parameters {
		if slices.Contains(names, p.Name) {
			u.input(Slot{Name: p.Name, Kind: ParameterState, Of: p.Name, Shape: dims(p.Shape)})
			gradients[p.Name] = u.input(Slot{Name: p.Name + GradientSuffix, Kind: GradientState, Of: p.Name,
				Shape: dims(p.Shape)})
		}
	}
	u.unscale(gradients, names, u.scaled())
	if o.ClipGradNorm > 0 {
		t.result(&t.graph.GradNorm, gradNormName, u.clip(gradients, names), pb.TensorProto_FLOAT)
	}
	u.updateAll(n.Parameters, gradients, rate)
	for _, p := range n.Parameters {
		if p.Statistic && o.EMA != 0 && !o.FrozenBatchNorm {
			u.average(p, u.input(Slot{Name: p.Name, Kind: StatisticState, Of: p.Name, Shape: dims(p.Shape)}))
		}
	}
	m.Graph.Output = append(t.outputs, u.outputs...)
	autodiff.UseKernels(m)
	return t.describe(m, n.Name+" optimizer")
}

// graphBuilder builds one training graph.
type graphBuilder struct {
	net        *Network
	forward    *autodiff.Graph
	u          *updater
	graph      *Graph
	loss       []autodiff.Loss // of the logits, then of auxiliary ones
	trained    []string
	statistics map[string]string // running statistics after the step
	outputs    []*pb.ValueInfoProto
}

// train builds the forward pass with its losses.
func (n *Network) train(o Options) (*graphBuilder, error) {
	o, err := o.resolved()
	if err != nil {
		return nil, err
	}
	if w := len(o.ClassWeights); w != 0 && w != n.Classes {
		return nil, fail.New(fail.Usage, "Give one weight for each class.", "%d class weights for %d classes", w,
			n.Classes)
	}
	names, err := n.Select(o.Trainable)
	if err != nil {
		return nil, err
	}
	m := onnx.Clone(n.graph)
	image, err := n.takeImages(m, o.FloatInput)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, p := range n.Parameters {
		all = append(all, p.Name)
	}
	forward, err := autodiff.New(m, autodiff.Options{
		Trainable: names, Inputs: all, Batch: o.Batch, FrozenBatchNorm: o.FrozenBatchNorm, Kernels: o.Kernels,
		Low: o.low(), Probe: o.Probe,
	})
	if err != nil {
		return nil, err
	}
	shape, _ := forward.Value(image)
	t := &graphBuilder{
		net: n, forward: forward, trained: names, statistics: map[string]string{},
		u:     &updater{Emitter: &forward.Emitter, options: o},
		graph: &Graph{Batch: o.Batch, Image: image, ImageShape: shape.Shape, Labels: labelsName},
	}
	for _, p := range n.Parameters {
		kind := ParameterState
		if p.Statistic {
			kind = StatisticState
		}
		t.u.state = append(t.u.state, Slot{Name: p.Name, Kind: kind, Of: p.Name, Shape: dims(p.Shape)})
	}
	for _, s := range forward.Statistics {
		t.u.next(s.Name, s.Next)
		t.statistics[s.Name] = s.Next
	}
	return t, t.addLoss()
}

// addLoss adds the loss of every output of the network: the logits, and
// auxiliary logits with their weight.
func (t *graphBuilder) addLoss() error {
	o := t.u.options
	labels := t.u.Build.Input(onnx.TensorInfo(labelsName, pb.TensorProto_INT64, o.Batch))
	total := ""
	for i, logits := range t.forward.Outputs {
		v, _ := t.forward.Value(logits)
		if len(v.Shape) != 2 || v.Shape[1] != int64(t.net.Classes) {
			return fail.New(fail.Model, "Export the network with its logits, [batch, classes], as its first output.",
				"the output %q of %s has shape %v, where [%d, %d] is "+
					"expected", logits, t.net.Name, v.Shape, o.Batch, t.net.Classes)
		}
		loss := t.u.CrossEntropy(logits, labels, v.Shape[1],
			autodiff.LossOptions{LabelSmoothing: o.LabelSmoothing, ClassWeights: o.ClassWeights})
		if i == 0 {
			total = loss.Value
		} else {
			weight := t.u.Scalar(o.AuxiliaryWeight)
			total = t.u.Op("Add", total, t.u.Op("Mul", loss.Value, weight))
			loss.Seed = t.u.Op("Mul", loss.Seed, weight)
		}
		t.loss = append(t.loss, loss)
	}
	t.result(&t.graph.Loss, lossName, total, pb.TensorProto_FLOAT)
	t.result(&t.graph.Correct, correctName, t.loss[0].Correct, pb.TensorProto_INT64)
	return nil
}

// backward returns the gradients of the trained parameters, times the scales
// that are not empty.
func (t *graphBuilder) backward(scales ...string) (map[string]string, error) {
	seeds := map[string]string{}
	for i, logits := range t.forward.Outputs {
		seeds[logits] = t.loss[i].Seed
		for _, scale := range scales {
			if scale != "" {
				seeds[logits] = t.u.Op("Mul", seeds[logits], scale)
			}
		}
	}
	gradients, err := t.forward.Backward(seeds)
	if err != nil {
		return nil, err
	}
	var unreached []string
	for _, name := range t.trained {
		if gradients[name] == "" {
			unreached = append(unreached, name)
		}
	}
	if len(unreached) > 0 {
		return nil, fail.New(fail.Model, "Name with --trainable those that learn, and leave these out.",
			"the loss of %s does not depend on %s", t.net.Name, strings.Join(unreached, ", "))
	}
	return gradients, nil
}

// result makes value an output of the graph.
func (t *graphBuilder) result(field *string, name, value string, dtype pb.TensorProto_DataType) {
	*field = t.u.Build.OpTo(name, "Identity", []string{value})
	t.outputs = append(t.outputs, scalar(name, dtype))
}

func (t *graphBuilder) finish(title string) (*Graph, error) {
	m, err := t.forward.Finish(append(t.outputs, t.u.outputs...)...)
	if err != nil {
		return nil, err
	}
	t.graph.Noise = t.forward.Noise
	return t.describe(m, title)
}

// describe completes the Graph and writes it into the model's metadata.
func (t *graphBuilder) describe(m *pb.ModelProto, title string) (*Graph, error) {
	if err := nameOutputs(m.Graph); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "%s", title)
	}
	for i, s := range t.u.state {
		t.u.state[i].InPlace = s.Next != "" && s.Kind != LossScaleState &&
			(s.Kind != ParameterState || t.u.kernelUpdates())
	}
	index := onnx.NewIndex(m.Graph)
	t.graph.State = slices.DeleteFunc(t.u.state, func(s Slot) bool { return index.Input(s.Name) == nil })
	t.graph.Model = m
	return t.graph, label(m, title, t.graph)
}

// nameOutputs removes the Identity between a node and a graph's output, so that the
// node writes the output itself: each Identity is a copy.
func nameOutputs(g *pb.GraphProto) error {
	index := onnx.NewIndex(g)
	copies, taken := map[*pb.NodeProto]bool{}, map[string]bool{}
	for _, n := range g.Node {
		if n.OpType != "Identity" || index.Output(n.Output[0]) == nil {
			continue
		}
		if from := n.Input[0]; index.Producer(from) != nil && index.Output(from) == nil && !taken[from] {
			copies[n], taken[from] = true, true
		}
	}
	return onnx.Bypass(g, func(n *pb.NodeProto) bool { return copies[n] })
}

func label(m *pb.ModelProto, title string, g *Graph) error {
	m.Graph.Name, m.Graph.DocString = title, ""
	g.Title = title
	m.ProducerName, m.ProducerVersion, m.DocString = "fx", "", ""
	m.MetadataProps = nil
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	onnx.SetMetadata(m, metaGraph, string(text))
	return fail.Wrap(fail.Model, onnx.Check(m.Graph), "", "%s", title)
}
