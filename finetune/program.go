package finetune

import (
	"context"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort"
)

// program is one graph on the device, over the state.
type program struct {
	graph    *artifacts.Graph
	session  *ort.Session
	runtime  *ort.Runtime
	state    *state
	judges   bool                    // reads averages in the place of what they average
	bindings map[string]*ort.Binding // by which value of each slot is the newest
	values   map[string]*ort.Value   // what is neither state nor of a batch: rate and scale; loss and the like
	fixed    map[string]*ort.Value   // state of this graph alone, which never changes
}

// newProgram puts a graph on a device. The graph's model is let go: the session
// holds what it needs.
func newProgram(rt *ort.Runtime, options ort.SessionOptions, g *artifacts.Graph) (*program, error) {
	data, err := onnx.Marshal(g.Model)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "training graph")
	}
	g.Model = nil
	session, err := rt.NewSession(data, options)
	if err != nil {
		return nil, err
	}
	p := &program{graph: g, session: session, runtime: rt, bindings: map[string]*ort.Binding{}, values: map[string]*ort.Value{}, fixed: map[string]*ort.Value{}}
	for name, dtype := range map[string]ort.DType{
		g.LearningRate: ort.Float32T, g.Scale: ort.Float32T,
		g.Loss: ort.Float32T, g.LossWeight: ort.Float32T, g.GradNorm: ort.Float32T, g.Correct: ort.Int64T,
	} {
		if name == "" {
			continue
		}
		if p.values[name], err = rt.NewValue(dtype); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
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

// binding returns the binding that reads the newest state.
func (p *program) binding() (*ort.Binding, error) {
	key := make([]byte, len(p.graph.State))
	for i, slot := range p.graph.State {
		if c := p.cell(slot); c != nil {
			key[i] = byte(c.current)
		}
	}
	if b := p.bindings[string(key)]; b != nil {
		return b, nil
	}
	b, err := p.session.NewBinding()
	if err != nil {
		return nil, err
	}
	p.bindings[string(key)] = b
	return b, p.bind(b)
}

// bind binds all that stays from run to run.
func (p *program) bind(b *ort.Binding) error {
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
	g := p.graph
	for _, name := range []string{g.Loss, g.LossWeight, g.GradNorm, g.Correct} {
		if name == "" {
			continue
		}
		if err := b.Output(name, p.values[name]); err != nil {
			return err
		}
	}
	return nil
}

// input sets a number that the graph takes, where it takes it.
func (p *program) input(name string, number float64) {
	if v := p.values[name]; v != nil && name != "" {
		ort.Data[float32](v.Tensor())[0] = float32(number)
	}
}

// run does the graph once on a batch, which is nil for a graph that takes none.
// The state it made becomes the newest with commit.
func (p *program) run(ctx context.Context, batch *batch) error {
	b, err := p.binding()
	if err != nil {
		return err
	}
	g := p.graph
	for _, name := range []string{g.LearningRate, g.Scale} {
		if name == "" {
			continue
		}
		if err := b.Input(name, p.values[name]); err != nil {
			return err
		}
	}
	if batch != nil {
		if err := b.Input(g.Image, batch.images); err != nil {
			return err
		}
		if err := b.Input(g.Labels, batch.labels); err != nil {
			return err
		}
		for i, noise := range g.Noise {
			if err := b.Input(noise.Name, batch.noise[i]); err != nil {
				return err
			}
		}
	}
	if g.Logits != "" { // of no use here, but every output has to lie somewhere
		logits, err := p.session.NewValue(ort.Float32T, int64(len(batch.items)), p.classes())
		if err != nil {
			return err
		}
		defer logits.Close()
		if err := b.Output(g.Logits, logits); err != nil {
			return err
		}
	}
	return b.Run(ctx)
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
		loss:    float64(ort.Data[float32](p.values[p.graph.Loss].Tensor())[0]),
		correct: int(ort.Data[int64](p.values[p.graph.Correct].Tensor())[0]), weight: float64(photos),
	}
	if p.graph.LossWeight != "" {
		o.weight = float64(ort.Data[float32](p.values[p.graph.LossWeight].Tensor())[0])
	}
	return o
}

// closeBindings frees what must go before the state does.
func (p *program) closeBindings() {
	for _, b := range p.bindings {
		b.Close()
	}
	for _, v := range p.values {
		v.Close()
	}
	for _, v := range p.fixed {
		v.Close()
	}
	p.bindings, p.values, p.fixed = nil, nil, nil
}

func (p *program) close() {
	p.closeBindings()
	_ = p.session.Close() // nothing is written through it
}
