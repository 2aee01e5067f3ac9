package finetune

import (
	"context"
	"fmt"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort"
)

// program is one graph on the device, over the state. Whatever it reads and
// writes lies on the device at addresses that never change, so that its runs can
// be recorded as CUDA graphs: before a run the batch is copied there.
type program struct {
	graph    *artifacts.Graph
	session  *ort.Session
	state    *state
	judges   bool                    // reads averages in the place of what they average
	bindings map[string]*ort.Binding // by batch size, and by which value of each slot is the newest
	numbers  map[string]number       // what is neither state nor of a batch: rate and scale; loss and the like
	feeds    map[int]feed            // by batch size
	fixed    map[string]*ort.Value   // state of this graph alone, which never changes
	elsewhere
}

// number is a scalar between host and device, one value where they are the same.
type number struct{ host, device *ort.Value }

// feed is where a program reads batches of one size, and leaves their logits.
type feed struct {
	inputs []*ort.Value // as batch.values
	logits *ort.Value   // nil where the graph makes none
}

// newProgram puts a graph on a device. The graph's model is let go: the session
// holds what it needs.
func newProgram(rt *ort.Runtime, options ort.SessionOptions, g *artifacts.Graph) (*program, error) {
	data, err := onnx.Marshal(g.Model)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "training graph")
	}
	options.Capture, options.Nodes = true, true
	session, err := rt.NewSession(data, options)
	if err != nil {
		return nil, err
	}
	p := &program{
		graph: g, session: session, bindings: map[string]*ort.Binding{}, numbers: map[string]number{},
		feeds: map[int]feed{}, fixed: map[string]*ort.Value{},
	}
	if p.elsewhere, err = lookElsewhere(session, g.Model.Graph); err != nil {
		p.close()
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
		if p.numbers[name], err = newNumber(session, dtype); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func newNumber(s *ort.Session, dtype ort.DType) (n number, err error) {
	if n.device, err = s.NewValue(dtype); err != nil {
		return n, err
	}
	n.host = n.device
	if !n.device.OnHost() {
		n.host, err = s.NewHostValue(dtype)
	}
	return n, err
}

func (n number) close() {
	for _, v := range []*ort.Value{n.host, n.device} {
		if v != nil {
			v.Close() // twice where they are one, which does nothing
		}
	}
}

// cell is where a slot of the graph is kept.
func (p *program) cell(slot artifacts.Slot) *cell {
	if p.judges {
		if c := p.state.byName[slot.Name+artifacts.AverageSuffix]; c != nil {
			return c
		}
	}
	return p.state.byName[slot.Name]
}

// binding returns the binding that reads the newest state and, where the graph
// takes one, a batch of the size that b has.
func (p *program) binding(b *batch) (*ort.Binding, error) {
	size := 0
	if b != nil {
		size = len(b.items)
	}
	key := []byte(fmt.Sprint(size, ":"))
	for _, slot := range p.graph.State {
		if c := p.cell(slot); c != nil {
			key = append(key, byte(c.current))
		}
	}
	if binding := p.bindings[string(key)]; binding != nil {
		return binding, nil
	}
	if _, ok := p.feeds[size]; b != nil && !ok {
		if err := p.makeFeed(b); err != nil {
			return nil, err
		}
	}
	binding, err := p.session.NewBinding()
	if err != nil {
		return nil, err
	}
	if err := p.bind(binding, size); err != nil {
		binding.Close()
		return nil, err
	}
	p.bindings[string(key)] = binding
	return binding, nil
}

// makeFeed makes room for batches of the size that b has.
func (p *program) makeFeed(b *batch) error {
	var f feed
	var err error
	for _, v := range b.values() {
		var to *ort.Value
		if to, err = p.session.NewValue(v.DType(), v.Shape()...); err != nil {
			break
		}
		f.inputs = append(f.inputs, to)
	}
	if err == nil && p.graph.Logits != "" {
		f.logits, err = p.session.NewValue(ort.Float32T, int64(len(b.items)), p.classes())
	}
	p.feeds[len(b.items)] = f // to be closed, whole or not
	return err
}

// batchInputs names what a batch feeds, in the order of batch.values.
func (p *program) batchInputs() []string {
	names := []string{p.graph.Image, p.graph.Labels}
	for _, noise := range p.graph.Noise {
		names = append(names, noise.Name)
	}
	return names
}

// bind binds everything that a run reads and writes.
func (p *program) bind(b *ort.Binding, size int) error {
	for _, slot := range p.graph.State {
		c := p.cell(slot)
		from, to := p.fixed[slot.Name], (*ort.Value)(nil)
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
	for name, n := range p.numbers {
		side := b.Output
		if p.given(name) {
			side = b.Input
		}
		if err := side(name, n.device); err != nil {
			return err
		}
	}
	if size == 0 {
		return nil
	}
	f := p.feeds[size]
	for i, name := range p.batchInputs() {
		if err := b.Input(name, f.inputs[i]); err != nil {
			return err
		}
	}
	if f.logits == nil {
		return nil
	}
	return b.Output(p.graph.Logits, f.logits)
}

// given reports whether a number is an input of the graph.
func (p *program) given(name string) bool {
	return name == p.graph.LearningRate || name == p.graph.Scale
}

// input sets a number that the graph takes, where it takes it.
func (p *program) input(name string, value float64) {
	if n, ok := p.numbers[name]; ok && name != "" {
		ort.Data[float32](n.host.Tensor())[0] = float32(value)
	}
}

// run does the graph once on a batch, which is nil for a graph that takes none.
// The state it made becomes the newest with commit.
func (p *program) run(ctx context.Context, b *batch) error {
	binding, err := p.binding(b)
	if err != nil {
		return err
	}
	var before, after []ort.Transfer
	for name, n := range p.numbers {
		switch {
		case n.host == n.device:
		case p.given(name):
			before = append(before, ort.Transfer{To: n.device, From: n.host})
		default:
			after = append(after, ort.Transfer{To: n.host, From: n.device})
		}
	}
	if b != nil {
		for i, v := range b.values() {
			before = append(before, ort.Transfer{To: p.feeds[len(b.items)].inputs[i], From: v})
		}
	}
	if err := p.session.Copy(ctx, before...); err != nil {
		return err
	}
	if err := binding.Run(ctx); err != nil {
		return err
	}
	return p.session.Copy(ctx, after...)
}

// classes is the number of logits.
func (p *program) classes() int64 {
	for _, out := range p.session.Outputs() {
		if out.Name == p.graph.Logits {
			return out.Shape[1]
		}
	}
	return 0
}

// commit makes what run computed the newest state.
func (p *program) commit() {
	for _, slot := range p.graph.State {
		if slot.Next != "" {
			c := p.state.byName[slot.Name]
			c.current = 1 - c.current
		}
	}
}

// outcome reads what the last run said of a batch of so many photos.
func (p *program) outcome(photos int) outcome {
	o := outcome{
		loss:    float64(ort.Data[float32](p.numbers[p.graph.Loss].host.Tensor())[0]),
		correct: int(ort.Data[int64](p.numbers[p.graph.Correct].host.Tensor())[0]), weight: float64(photos),
	}
	if p.graph.LossWeight != "" {
		o.weight = float64(ort.Data[float32](p.numbers[p.graph.LossWeight].host.Tensor())[0])
	}
	return o
}

// closeBindings frees what must go before the state does.
func (p *program) closeBindings() {
	for _, b := range p.bindings {
		b.Close()
	}
	for _, n := range p.numbers {
		n.close()
	}
	for _, f := range p.feeds {
		for _, v := range append(f.inputs, f.logits) {
			if v != nil {
				v.Close()
			}
		}
	}
	for _, v := range p.fixed {
		v.Close()
	}
	p.bindings, p.numbers, p.feeds, p.fixed = nil, nil, nil, nil
}

func (p *program) close() {
	p.closeBindings()
	_ = p.session.Close() // nothing is written through it
}
