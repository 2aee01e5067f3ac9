package finetune

import (
	"context"
	"fmt"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort"
)

// compiledGraph is a training graph in a session, bound to the state. Its inputs
// and outputs have fixed addresses on the device, so that its runs can be recorded
// as CUDA graphs; each batch is copied there before a run.
type compiledGraph struct {
	graph    *artifacts.Graph
	session  *ort.Session
	state    *state
	averaged bool                    // reads the averages instead of the parameters
	bindings map[string]*ort.Binding // by batch size and the current value of each slot
	scalars  map[string]hostScalar   // inputs such as the rate, outputs such as the loss
	feeds    map[int]feed            // by batch size
	fixed    map[string]*ort.Value   // constant state that only this graph reads
	cpuNodes
}

// hostScalar is a scalar on the host and on the device; on the CPU both are one value.
type hostScalar struct{ host, device *ort.Value }

// feed contains the device's inputs and logits for batches of one size.
type feed struct {
	inputs []*ort.Value // as batch.values
	logits *ort.Value   // nil if the graph has none
}

// newCompiledGraph creates the session of a graph. It drops the graph's model, which
// the session no longer needs.
func newCompiledGraph(rt *ort.Runtime, options ort.SessionOptions, g *artifacts.Graph) (*compiledGraph, error) {
	data, err := onnx.Marshal(g.Model)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "training graph")
	}
	options.Capture, options.Nodes = true, true
	session, err := rt.NewSession(data, options)
	if err != nil {
		return nil, err
	}
	cg := &compiledGraph{
		graph: g, session: session, bindings: map[string]*ort.Binding{}, scalars: map[string]hostScalar{},
		feeds: map[int]feed{}, fixed: map[string]*ort.Value{},
	}
	if cg.cpuNodes, err = findCPUNodes(session, g.Model.Graph); err != nil {
		cg.close()
		return nil, err
	}
	g.Model = nil
	for name, dtype := range map[string]ort.DType{
		g.LearningRate: ort.Float32T, g.Scale: ort.Float32T,
		g.Loss: ort.Float32T, g.LossWeight: ort.Float32T, g.GradNorm: ort.Float32T, g.Correct: ort.Int64T,
	} {
		if name == "" {
			continue
		}
		if cg.scalars[name], err = newScalar(session, dtype); err != nil {
			cg.close()
			return nil, err
		}
	}
	return cg, nil
}

func newScalar(s *ort.Session, dtype ort.DType) (n hostScalar, err error) {
	if n.device, err = s.NewValue(dtype); err != nil {
		return n, err
	}
	n.host = n.device
	if !n.device.OnHost() {
		n.host, err = s.NewHostValue(dtype)
	}
	return n, err
}

func (n hostScalar) close() {
	for _, v := range []*ort.Value{n.host, n.device} {
		if v != nil {
			v.Close() // closing the same value twice is harmless
		}
	}
}

// cell returns the cell of a slot of the graph, or nil.
func (cg *compiledGraph) cell(slot artifacts.Slot) *cell {
	if cg.averaged {
		if c := cg.state.byName[slot.Name+artifacts.AverageSuffix]; c != nil {
			return c
		}
	}
	return cg.state.byName[slot.Name]
}

// binding returns the binding that reads the current state and a batch of b's size.
// b is nil for a graph that takes no batch.
func (cg *compiledGraph) binding(b *batch) (*ort.Binding, error) {
	size := 0
	if b != nil {
		size = len(b.items)
	}
	key := []byte(fmt.Sprint(size, ":"))
	for _, slot := range cg.graph.State {
		if c := cg.cell(slot); c != nil {
			key = append(key, byte(c.current))
		}
	}
	if binding := cg.bindings[string(key)]; binding != nil {
		return binding, nil
	}
	if _, ok := cg.feeds[size]; b != nil && !ok {
		if err := cg.makeFeed(b); err != nil {
			return nil, err
		}
	}
	binding, err := cg.session.NewBinding()
	if err != nil {
		return nil, err
	}
	if err := cg.bind(binding, size); err != nil {
		binding.Close()
		return nil, err
	}
	cg.bindings[string(key)] = binding
	return binding, nil
}

// makeFeed allocates the feed for batches of b's size.
func (cg *compiledGraph) makeFeed(b *batch) error {
	var f feed
	var err error
	for _, v := range b.values() {
		var to *ort.Value
		if to, err = cg.session.NewValue(v.DType(), v.Shape()...); err != nil {
			break
		}
		f.inputs = append(f.inputs, to)
	}
	if err == nil && cg.graph.Logits != "" {
		f.logits, err = cg.session.NewValue(ort.Float32T, int64(len(b.items)), cg.classes())
	}
	cg.feeds[len(b.items)] = f // closed later, even if incomplete
	return err
}

// batchInputs names the inputs that a batch feeds, in the order of batch.values.
func (cg *compiledGraph) batchInputs() []string {
	names := []string{cg.graph.Image, cg.graph.Labels}
	for _, noise := range cg.graph.Noise {
		names = append(names, noise.Name)
	}
	return names
}

// bind binds all inputs and outputs of a run.
func (cg *compiledGraph) bind(b *ort.Binding, size int) error {
	for _, slot := range cg.graph.State {
		c := cg.cell(slot)
		from, to := cg.fixed[slot.Name], (*ort.Value)(nil)
		if c != nil {
			from, to = c.values[c.current], c.values[1-c.current]
		}
		if from == nil {
			return fail.New(fail.Model, "", "no value of %s", slot.Name)
		}
		if err := b.Input(slot.Name, from); err != nil {
			return err
		}
		if slot.Next == "" {
			continue
		}
		if err := b.Output(slot.Next, to); err != nil {
			return err
		}
	}
	for name, n := range cg.scalars {
		side := b.Output
		if cg.given(name) {
			side = b.Input
		}
		if err := side(name, n.device); err != nil {
			return err
		}
	}
	if size == 0 {
		return nil
	}
	f := cg.feeds[size]
	for i, name := range cg.batchInputs() {
		if err := b.Input(name, f.inputs[i]); err != nil {
			return err
		}
	}
	if f.logits == nil {
		return nil
	}
	return b.Output(cg.graph.Logits, f.logits)
}

// given reports whether a scalar is an input of the graph.
func (cg *compiledGraph) given(name string) bool {
	return name == cg.graph.LearningRate || name == cg.graph.Scale
}

// input sets a scalar input of the graph, if the graph has it.
func (cg *compiledGraph) input(name string, value float64) {
	if n, ok := cg.scalars[name]; ok && name != "" {
		ort.Data[float32](n.host.Tensor())[0] = float32(value)
	}
}

// run runs the graph once on a batch, which is nil for a graph that takes none.
// commit then makes the new state the current one.
func (cg *compiledGraph) run(ctx context.Context, b *batch) error {
	binding, err := cg.binding(b)
	if err != nil {
		return err
	}
	var before, after []ort.Transfer
	for name, n := range cg.scalars {
		switch {
		case n.host == n.device:
		case cg.given(name):
			before = append(before, ort.Transfer{To: n.device, From: n.host})
		default:
			after = append(after, ort.Transfer{To: n.host, From: n.device})
		}
	}
	if b != nil {
		for i, v := range b.values() {
			before = append(before, ort.Transfer{To: cg.feeds[len(b.items)].inputs[i], From: v})
		}
	}
	if err := cg.session.Copy(ctx, before...); err != nil {
		return err
	}
	if err := binding.Run(ctx); err != nil {
		return err
	}
	return cg.session.Copy(ctx, after...)
}

// classes returns the number of logits.
func (cg *compiledGraph) classes() int64 {
	for _, out := range cg.session.Outputs() {
		if out.Name == cg.graph.Logits {
			return out.Shape[1]
		}
	}
	return 0
}

// commit makes the state that run computed the current one.
func (cg *compiledGraph) commit() {
	for _, slot := range cg.graph.State {
		if slot.Next != "" {
			c := cg.state.byName[slot.Name]
			c.current = 1 - c.current
		}
	}
}

// outcome returns the last run's loss and correct predictions; photos is the size of its batch.
func (cg *compiledGraph) outcome(photos int) outcome {
	o := outcome{
		loss:    float64(ort.Data[float32](cg.scalars[cg.graph.Loss].host.Tensor())[0]),
		correct: int(ort.Data[int64](cg.scalars[cg.graph.Correct].host.Tensor())[0]), weight: float64(photos),
	}
	if cg.graph.LossWeight != "" {
		o.weight = float64(ort.Data[float32](cg.scalars[cg.graph.LossWeight].host.Tensor())[0])
	}
	return o
}

// closeBindings frees what must be freed before the state.
func (cg *compiledGraph) closeBindings() {
	for _, b := range cg.bindings {
		b.Close()
	}
	for _, n := range cg.scalars {
		n.close()
	}
	for _, f := range cg.feeds {
		for _, v := range append(f.inputs, f.logits) {
			if v != nil {
				v.Close()
			}
		}
	}
	for _, v := range cg.fixed {
		v.Close()
	}
	cg.bindings, cg.scalars, cg.feeds, cg.fixed = nil, nil, nil, nil
}

func (cg *compiledGraph) close() {
	cg.closeBindings()
	_ = cg.session.Close() // nothing is written through it
}
