package finetune

import (
	"context"
	"errors"

	"fx/finetune/artifacts"
	"fx/finetune/autodiff"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/ort"
)

// engine runs the training graphs over the state.
type engine struct {
	runtime *ort.Runtime
	device  ort.Device
	network *artifacts.Network
	options artifacts.Options
	state   *state
	steps   map[int]*trainStep // by batch size
	eval    *evaluation
}

// newEngine makes the sessions for training batches of these sizes and for
// evaluation, and puts the network's initial state on the device.
func newEngine(ctx context.Context, rt *ort.Runtime, device ort.Device, n *artifacts.Network, o artifacts.Options, sizes []int) (*engine, error) {
	e := &engine{runtime: rt, device: device, network: n, options: o, steps: map[int]*trainStep{}}
	e.options.Probe = ortprobe.New(rt)
	if err := e.build(ctx, sizes); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *engine) build(ctx context.Context, sizes []int) error {
	for _, size := range sizes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.addStep(ctx, size); err != nil {
			return err
		}
	}
	return e.addEvaluation()
}

func (e *engine) addStep(ctx context.Context, size int) error {
	o := e.options
	o.Batch = size
	graph, err := e.network.Step(o)
	if err != nil {
		return err
	}
	session, err := e.open(graph)
	if err != nil {
		return err
	}
	t := &trainStep{engine: e, graph: graph, session: session}
	e.steps[size] = t
	if e.state == nil {
		initial, err := e.network.Initial(graph)
		if err != nil {
			return err
		}
		if e.state, err = newState(ctx, session, graph.State, initial); err != nil {
			return err
		}
	}
	return t.bind()
}

// open puts a graph on the device with every core. The model is let go: the
// session holds what it needs.
func (e *engine) open(g *artifacts.Graph) (*ort.Session, error) {
	data, err := onnx.Marshal(g.Model)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "%s", e.network.Name)
	}
	g.Model = nil
	return e.runtime.NewSession(data, ort.SessionOptions{Device: e.device})
}

func (e *engine) addEvaluation() error {
	graph, err := e.network.Eval(e.options)
	if err != nil {
		return err
	}
	session, err := e.open(graph)
	if err != nil {
		return err
	}
	e.eval = &evaluation{engine: e, graph: graph, session: session}
	return e.eval.bind()
}

func (e *engine) close() {
	for _, t := range e.steps {
		t.close()
	}
	if e.eval != nil {
		e.eval.close()
	}
	if e.state != nil {
		e.state.close()
	}
	for _, t := range e.steps { // after the values that they allocated
		_ = t.session.Close() // nothing is written through it
	}
}

// noise lists the random inputs of the steps by batch size.
func (e *engine) noise() map[int][]autodiff.Noise {
	all := map[int][]autodiff.Noise{}
	for size, t := range e.steps {
		all[size] = t.graph.Noise
	}
	return all
}

// session is where the steps run.
func (e *engine) session() *ort.Session { return e.state.session }

// errNonFinite ends a run: the state is still that before the step.
var errNonFinite = errors.New("the loss is not finite")

// outcome is what a batch gave.
type outcome struct {
	loss    float64 // mean over the batch
	weight  float64 // of the batch in a mean over batches
	correct int
}

// scalars are the outputs of a graph that are read after each run.
type scalars struct {
	loss, weight, correct *ort.Value
}

func (e *engine) newScalars(weighted bool) (scalars, error) {
	var s scalars
	var err error
	if s.loss, err = e.runtime.NewValue(ort.Float32T); err != nil {
		return s, err
	}
	if s.correct, err = e.runtime.NewValue(ort.Int64T); err != nil {
		return s, err
	}
	if weighted {
		s.weight, err = e.runtime.NewValue(ort.Float32T)
	}
	return s, err
}

func (s scalars) outcome(photos int) outcome {
	o := outcome{loss: float64(ort.Data[float32](s.loss.Tensor())[0]), correct: int(ort.Data[int64](s.correct.Tensor())[0]), weight: float64(photos)}
	if s.weight != nil {
		o.weight = float64(ort.Data[float32](s.weight.Tensor())[0])
	}
	return o
}

func (s scalars) close() {
	for _, v := range []*ort.Value{s.loss, s.weight, s.correct} {
		if v != nil {
			v.Close()
		}
	}
}

// trainStep is a whole training step for one batch size.
type trainStep struct {
	*engine
	graph    *artifacts.Graph
	session  *ort.Session
	bindings [2]*ort.Binding // from set i of the state to the other
	results  scalars
	rate     *ort.Value
	norm     *ort.Value // of the gradients, where it is clipped
}

func (t *trainStep) bind() error {
	var err error
	if t.results, err = t.newScalars(false); err != nil {
		return err
	}
	if t.rate, err = t.runtime.NewValue(ort.Float32T); err != nil {
		return err
	}
	if t.graph.GradNorm != "" {
		if t.norm, err = t.runtime.NewValue(ort.Float32T); err != nil {
			return err
		}
	}
	for set := range t.bindings {
		b, err := t.session.NewBinding()
		if err != nil {
			return err
		}
		t.bindings[set] = b
		if err := t.bindSet(b, set); err != nil {
			return err
		}
	}
	return nil
}

func (t *trainStep) bindSet(b *ort.Binding, set int) error {
	for _, slot := range t.graph.State {
		from, to := t.state.values[set][slot.Name], t.state.values[1-set][slot.Name]
		if from == nil {
			return fail.New(fail.Model, "", "the steps of different batch sizes differ in their state: %s", slot.Name)
		}
		if err := b.Input(slot.Name, from); err != nil {
			return err
		}
		if slot.Next != "" {
			if err := b.Output(slot.Next, to); err != nil {
				return err
			}
		}
	}
	if t.norm != nil {
		if err := b.Output(t.graph.GradNorm, t.norm); err != nil {
			return err
		}
	}
	if err := b.Output(t.graph.Loss, t.results.loss); err != nil {
		return err
	}
	return b.Output(t.graph.Correct, t.results.correct)
}

// run does the step. Where the loss is finite the state has moved on after it.
func (t *trainStep) run(ctx context.Context, batch *batch, rate float64) (outcome, error) {
	b := t.bindings[t.state.current]
	ort.Data[float32](t.rate.Tensor())[0] = float32(rate)
	for _, in := range append([]input{
		{t.graph.LearningRate, t.rate}, {t.graph.Image, batch.images}, {t.graph.Labels, batch.labels},
	}, noiseInputs(t.graph.Noise, batch)...) {
		if err := b.Input(in.name, in.value); err != nil {
			return outcome{}, err
		}
	}
	if err := b.Run(ctx); err != nil {
		return outcome{}, err
	}
	r := t.results.outcome(len(batch.items))
	if !finite(r.loss) {
		return r, errNonFinite
	}
	t.state.current = 1 - t.state.current
	return r, nil
}

type input struct {
	name  string
	value *ort.Value
}

func noiseInputs(noise []autodiff.Noise, batch *batch) []input {
	var all []input
	for i, n := range noise {
		all = append(all, input{n.Name, batch.noise[i]})
	}
	return all
}

func (t *trainStep) close() {
	for _, b := range t.bindings {
		if b != nil {
			b.Close()
		}
	}
	t.results.close()
	for _, v := range []*ort.Value{t.rate, t.norm} {
		if v != nil {
			v.Close()
		}
	}
}

// evaluation judges batches of any size by the newest state.
type evaluation struct {
	*engine
	graph    *artifacts.Graph
	session  *ort.Session
	bindings [2]*ort.Binding // over set i of the state
	results  scalars
	fixed    map[string]*ort.Value // state that no step knows
}

func (v *evaluation) bind() error {
	var err error
	if v.results, err = v.newScalars(v.graph.LossWeight != ""); err != nil {
		return err
	}
	v.fixed = map[string]*ort.Value{}
	for set := range v.bindings {
		b, err := v.session.NewBinding()
		if err != nil {
			return err
		}
		v.bindings[set] = b
		for _, slot := range v.graph.State {
			value := v.state.values[set][slot.Name+artifacts.AverageSuffix] // judged where there is one
			if value == nil {
				value = v.state.values[set][slot.Name]
			}
			if value == nil {
				if value, err = v.fix(slot); err != nil {
					return err
				}
			}
			if err := b.Input(slot.Name, value); err != nil {
				return err
			}
		}
		if err := b.Output(v.graph.Loss, v.results.loss); err != nil {
			return err
		}
		if err := b.Output(v.graph.Correct, v.results.correct); err != nil {
			return err
		}
		if err := b.Output(v.graph.LossWeight, v.results.weight); err != nil {
			return err
		}
	}
	return nil
}

// fix puts a value on the device that the steps have no use for.
func (v *evaluation) fix(slot artifacts.Slot) (*ort.Value, error) {
	if value := v.fixed[slot.Name]; value != nil {
		return value, nil
	}
	t, ok := v.network.Values.Get(slot.Name)
	if !ok {
		return nil, fail.New(fail.Model, "", "the network %s has no value of %s", v.network.Name, slot.Name)
	}
	values, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	value, err := v.session.NewValue(ort.Float32T, slot.Shape...)
	if err != nil {
		return nil, err
	}
	v.fixed[slot.Name] = value
	return value, v.session.Upload(context.Background(), value, ort.NewTensor(values, slot.Shape...))
}

func (v *evaluation) run(ctx context.Context, batch *batch) (outcome, error) {
	b := v.bindings[v.state.current]
	for _, in := range []input{{v.graph.Image, batch.images}, {v.graph.Labels, batch.labels}} {
		if err := b.Input(in.name, in.value); err != nil {
			return outcome{}, err
		}
	}
	logits, err := v.session.NewValue(ort.Float32T, int64(len(batch.items)), int64(v.network.Classes))
	if err != nil {
		return outcome{}, err
	}
	defer logits.Close()
	if err := b.Output(v.graph.Logits, logits); err != nil {
		return outcome{}, err
	}
	if err := b.Run(ctx); err != nil {
		return outcome{}, err
	}
	return v.results.outcome(len(batch.items)), nil
}

func (v *evaluation) close() {
	for _, b := range v.bindings {
		if b != nil {
			b.Close()
		}
	}
	v.results.close()
	for _, value := range v.fixed {
		value.Close()
	}
	_ = v.session.Close() // nothing is written through it
}
