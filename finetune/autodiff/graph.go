package autodiff

import (
	"fmt"
	"maps"
	"slices"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Options of New.
type Options struct {
	// Trainable names the values to differentiate with respect to:
	// floating-point initializers or inputs of the graph.
	Trainable []string

	// Inputs names further initializers that become inputs of the graph, so
	// that their values come with each run. Trainable initializers, the
	// statistics that training updates, and initializers without data become
	// inputs anyway; the rest stays in the graph.
	Inputs []string

	// Batch is the size of the first axis of every input that is not an
	// initializer. It is fixed in the graph.
	Batch int

	// FrozenBatchNorm makes BatchNormalization use its running statistics without
	// updating them, like a torch module in eval mode.
	FrozenBatchNorm bool

	// Kernels lets the graph use the ops of package kernels, for a session on
	// the CPU that has them; without it every op is ONNX's own.
	Kernels bool

	// Low computes products in this type, FLOAT16 or BFLOAT16, and sums,
	// statistics and parameters in FLOAT, as torch.autocast does. The graph's
	// inputs and outputs stay FLOAT. 0 changes no types.
	Low pb.TensorProto_DataType

	// Probe infers the types and shapes of a model's outputs without running it.
	Probe Probe
}

// Probe returns element type and shape of every output of m. The outputs have
// names only; ONNX Runtime's own shape inference fills in the rest, see
// package [fx/finetune/autodiff/ortprobe]. If m has no inputs, it also returns the
// values of its int64 outputs.
type Probe func(m *pb.ModelProto) (map[string]Tensor, error)

// Noise is an input of the graph for random numbers, so that the caller generates
// them and a resumed run can repeat them.
type Noise struct {
	Name  string  `json:"name"`
	Shape []int64 `json:"shape"`

	// Drop is the probability of zero in a dropout mask, whose other values
	// are 1/(1-Drop). If Drop is 0, the values are uniform in [Low, High), as
	// for a RandomUniformLike node.
	Drop float64 `json:"drop,omitempty"`
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
}

// Statistic is a value that a training step updates, such as the running mean of a
// BatchNormalization: Next is the value of Name after the step.
type Statistic struct{ Name, Next string }

// Graph is a training graph under construction: the forward pass of a network in
// training form. Backward adds gradients, and the Emitter adds the rest of a step. It
// is not safe for concurrent use.
type Graph struct {
	Emitter

	// Outputs are the outputs of the original graph, in its order.
	Outputs []string

	// Noise are the inputs for random numbers, Statistics the values that the
	// forward pass updates, both in the order of the graph's nodes.
	Noise      []Noise
	Statistics []Statistic

	model           *pb.ModelProto
	nodes           []*pb.NodeProto // of the original graph, in topological order
	values          map[string]Tensor
	index           *onnx.Index
	folded          map[string][]int64 // integers that depend on no input
	trainable       []string
	frozenBatchNorm bool
	low             pb.TensorProto_DataType
	needs           map[string]bool // values that depend on a trainable one
	partial         map[string][]string
	saved           map[savedKey]string

	kernels  bool
	absorbed map[*pb.NodeProto]absorption // activations that the kernel before them computes
}

// New writes the forward pass of m in training form: batch normalization with the
// batch's statistics, dropout with masks that are inputs, max pooling with its indices.
// m is not changed; tensor data is shared with it. Errors are of kind fail.Model.
func New(m *pb.ModelProto, options Options) (*Graph, error) {
	m = onnx.Clone(m)
	if err := prepare(m, options); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "the training graph of %q", m.Graph.GetName())
	}
	values, err := probe(m, options.Probe)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, FixedSizes, "the shapes in %q at batch size %d", m.Graph.Name,
			options.Batch)
	}
	if options.Low != 0 {
		lower(m.Graph, values, options.Low)
	}
	if options.Low == pb.TensorProto_BFLOAT16 {
		onnx.SetOpset(m, "", max(onnx.Opset(m, ""), bfloat16Opset))
		m.IrVersion = max(m.IrVersion, 10) // the one of opset 22
	}
	folded, err := foldIntegers(m, values, options.Probe)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, FixedSizes, "the constant shapes in %q at batch size %d", m.Graph.Name,
			options.Batch)
	}
	if options.Kernels {
		joinSwish(m.Graph, values)
	}
	g := &Graph{
		model: m, low: options.Low, nodes: m.Graph.Node, values: values, trainable: options.Trainable,
		frozenBatchNorm: options.FrozenBatchNorm, index: onnx.NewIndex(m.Graph), folded: folded,
		partial: map[string][]string{}, saved: map[savedKey]string{},
		kernels: options.Kernels, absorbed: map[*pb.NodeProto]absorption{},
	}
	for _, out := range m.Graph.Output {
		g.Outputs = append(g.Outputs, out.Name)
	}
	g.Emitter = *NewEmitter(m.Graph)
	g.findNeeds()
	m.Graph.Node, m.Graph.Output = nil, nil
	for _, n := range g.nodes {
		if err := g.forward(n); err != nil {
			return nil, err
		}
	}
	g.Scope("")
	g.DType = pb.TensorProto_FLOAT
	return g, nil
}

// FixedSizes is the hint for a graph that does not take a batch.
const FixedSizes = "The graph may contain fixed sizes: export it with a free batch size, as " +
	"scripts/export_onnx does, or change --batch-size or --crop. " + headOnly

// headOnly is what works for a network whose layers can't be trained.
const headOnly = "Train its classifier alone with --head-only, or layers near its end with --trainable."

// Value returns type and shape of a value of the original graph.
func (g *Graph) Value(name string) (Tensor, bool) {
	t, ok := g.values[name]
	return t, ok
}

// Trainable returns Options.Trainable.
func (g *Graph) Trainable() []string { return slices.Clone(g.trainable) }

// Finish sets the graph's outputs, drops nodes that no output needs, and returns the
// model. Its inputs are, in order: inputs of the original graph, initializers that
// became inputs, noise, inputs that the caller added. The Graph must not be used
// afterwards.
func (g *Graph) Finish(outputs ...*pb.ValueInfoProto) (*pb.ModelProto, error) {
	if err := onnx.Cut(g.model.Graph, outputs...); err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "the training graph of %q", g.model.Graph.Name)
	}
	index := onnx.NewIndex(g.model.Graph)
	g.model.Graph.ValueInfo = slices.DeleteFunc(g.described, func(info *pb.ValueInfoProto) bool {
		return index.Producer(info.Name) == nil || index.Output(info.Name) != nil
	})
	UseKernels(g.model)
	left := func(n Noise) bool { return index.Input(n.Name) == nil }
	g.Noise = slices.DeleteFunc(g.Noise, left)
	return g.model, nil
}

// findNeeds finds the values that depend on a trainable one.
func (g *Graph) findNeeds() {
	g.needs = map[string]bool{}
	for _, name := range g.trainable {
		g.needs[name] = true
	}
	for _, n := range g.nodes {
		if stopsGradient(n) {
			continue
		}
		if slices.ContainsFunc(onnx.Uses(n), func(in string) bool { return g.needs[in] }) {
			for _, out := range n.Output {
				g.needs[out] = out != "" && g.values[out].float()
			}
		}
	}
}

// forward writes one node of the forward pass.
func (g *Graph) forward(n *pb.NodeProto) error {
	c := g.context(n)
	write := forwardOnly[n.OpType]
	if r, _ := g.rule(n); r.forward != nil {
		write = r.forward
	}
	if write != nil && n.Domain == "" {
		write(c)
	} else {
		c.Build.Graph.Node = append(c.Build.Graph.Node, n)
	}
	return g.nodeError(n, c.err)
}

// onlyReader returns the one node that reads a value of the original graph, or nil.
func (g *Graph) onlyReader(value string) *pb.NodeProto {
	readers := g.index.Consumers(value)
	if len(readers) != 1 || slices.Contains(g.Outputs, value) {
		return nil
	}
	return readers[0]
}

func (g *Graph) context(n *pb.NodeProto) *context {
	g.DType = pb.TensorProto_FLOAT
	if t := g.values[n.Output[0]]; t.float() {
		g.DType = t.DType
	}
	name := n.Name
	if name == "" {
		name = n.Output[0]
	}
	g.Scope(name + "/")
	return &context{Emitter: &g.Emitter, node: n, graph: g, given: map[int]string{}}
}

func (g *Graph) nodeError(n *pb.NodeProto, err error) error {
	return fail.Wrap(fail.Model, err, headOnly, "node %q (%s) of %q", n.Name, n.OpType, g.model.Graph.Name)
}

// noise adds an input for random numbers.
func (g *Graph) noise(name string, n Noise) string {
	n.Name = g.Build.Fresh(name)
	g.Noise = append(g.Noise, n)
	dtype := g.DType
	if dtype == g.low { // inputs are float32
		dtype = pb.TensorProto_FLOAT
	}
	g.Build.Graph.Input = append(g.Build.Graph.Input, tensorInfo(n.Name, dtype, n.Shape))
	if dtype != g.DType {
		return g.Cast(n.Name, g.DType)
	}
	return n.Name
}

// statistic records the update of a statistic. A layer that is used twice updates its
// statistics twice.
func (g *Graph) statistic(name string, next func(current string) string) {
	for i, s := range g.Statistics {
		if s.Name == name {
			g.Statistics[i].Next = next(s.Next)
			return
		}
	}
	g.Statistics = append(g.Statistics, Statistic{name, next(name)})
}

func tensorInfo(name string, dtype pb.TensorProto_DataType, shape []int64) *pb.ValueInfoProto {
	dims := make([]any, len(shape))
	for i, d := range shape {
		dims[i] = d
	}
	return onnx.TensorInfo(name, dtype, dims...)
}

// probe returns the types and shapes of all values of the graph.
func probe(m *pb.ModelProto, ask Probe) (map[string]Tensor, error) {
	whole := onnx.Clone(m)
	g := whole.Graph
	g.Output, g.ValueInfo = nil, nil
	values := map[string]Tensor{}
	for _, in := range g.Input {
		dtype, shape, _ := onnx.Shape(in)
		values[in.Name] = Tensor{DType: dtype, Shape: shape}
	}
	for _, t := range g.Initializer {
		values[t.Name] = Tensor{DType: t.DataType, Shape: t.Dims}
	}
	var names []string
	for _, n := range g.Node {
		if slices.ContainsFunc(n.Output, func(out string) bool { return out == "" }) && n.Output[0] == "" {
			return nil, fmt.Errorf("node %q (%s) has no first output", n.Name, n.OpType)
		}
		for _, out := range n.Output {
			if out != "" {
				names = append(names, out)
				g.Output = append(g.Output, &pb.ValueInfoProto{Name: out})
			}
		}
	}
	answer, err := ask(whole)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t, ok := answer[name]
		if !ok || slices.Min(append([]int64{0}, t.Shape...)) < 0 {
			return nil, fmt.Errorf("ONNX Runtime can't infer the shape of %q (it returns %v)", name, t.Shape)
		}
	}
	maps.Copy(values, answer)
	return values, nil
}
