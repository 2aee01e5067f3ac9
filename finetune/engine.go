package finetune

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"fx/finetune/artifacts"
	"fx/finetune/autodiff"
	"fx/finetune/autodiff/ortprobe"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/weights"
)

// engine trains and evaluates batches on the state.
type engine struct {
	runtime  *ort.Runtime
	sessions ort.SessionOptions // of all graphs
	network  *artifacts.Network
	options  artifacts.Options
	state    *state
	train    map[int]*compiledGraph // by batch size: the whole step, or its gradients if they are accumulated
	update   *compiledGraph         // by accumulated gradients, or nil
	eval     *compiledGraph
	reported map[string]bool // notes that newNotes has returned
}

// newEngine creates the sessions for training batches of these sizes and for
// evaluation, and moves the network's initial state to the device. split selects
// the form of a step that accumulates the gradients of several batches.
func newEngine(ctx context.Context, rt *ort.Runtime, sessions ort.SessionOptions, n *artifacts.Network,
	o artifacts.Options, sizes []int, split bool) (*engine, error) {
	e := &engine{runtime: rt, sessions: sessions, network: n, options: o, train: map[int]*compiledGraph{},
		reported: map[string]bool{}}
	e.options.Probe = ortprobe.New(rt)
	device, _, _, err := rt.Resolve(sessions.Device)
	if err != nil {
		return nil, err
	}
	e.sessions.Lean = device == ort.CPU
	e.options.Kernels = device == ort.CPU && (o.Precision == "" || o.Precision == artifacts.Float32)
	if err := e.build(ctx, sizes, split); err != nil {
		e.close()
		return nil, e.explain(err)
	}
	return e, nil
}

func (e *engine) build(ctx context.Context, sizes []int, split bool) error {
	var graphs []*artifacts.Graph
	initial := weights.NewStateDict()
	add := func(build func(artifacts.Options) (*artifacts.Graph, error), o artifacts.Options,
		profile string) (*compiledGraph, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g, err := build(o)
		if err != nil {
			return nil, err
		}
		own, err := e.network.Initial(g)
		if err != nil {
			return nil, err
		}
		for _, name := range own.Names() {
			t, _ := own.Get(name)
			initial.Set(name, t)
		}
		graphs = append(graphs, g)
		options := e.sessions
		options.ProfilePrefix = profile
		return newCompiledGraph(e.runtime, options, g)
	}
	form := e.network.Step
	if split {
		form = e.network.Gradients
	}
	var err error
	for _, size := range sizes {
		o := e.options
		o.Batch = size
		profile := e.sessions.ProfilePrefix
		if profile != "" {
			profile = fmt.Sprintf("%s-batch%d", profile, size)
		}
		if e.train[size], err = add(form, o, profile); err != nil {
			delete(e.train, size)
			return err
		}
	}
	if split {
		if e.update, err = add(e.network.Update, e.options, ""); err != nil {
			return err
		}
	}
	if e.state, err = newState(ctx, e.train[sizes[0]].session, graphs, initial); err != nil {
		return err
	}
	graph, err := e.network.Eval(e.options)
	if err != nil {
		return err
	}
	sessions := e.sessions
	sessions.ProfilePrefix = "" // only training steps are profiled
	if e.eval, err = newCompiledGraph(e.runtime, sessions, graph); err != nil {
		return err
	}
	e.eval.averaged = true
	for _, p := range e.graphs() {
		p.state = e.state
	}
	if err := e.uploadFixed(ctx); err != nil {
		return err
	}
	e.releaseInitial()
	return nil
}

// releaseInitial drops the initial values that the state contains, and has Go return
// their memory before the first step allocates its own.
func (e *engine) releaseInitial() {
	rest := weights.NewStateDict()
	for _, name := range e.network.Values.Names() {
		if t, _ := e.network.Values.Get(name); e.state.byName[name] == nil {
			rest.Set(name, t)
		}
	}
	e.network.Values = rest
	debug.FreeOSMemory()
}

// uploadFixed copies to the device the state that only evaluation reads.
func (e *engine) uploadFixed(ctx context.Context) error {
	for _, slot := range e.eval.graph.State {
		if e.eval.cell(slot) != nil {
			continue
		}
		t, ok := e.network.Values.Get(slot.Name)
		if !ok {
			return fail.New(fail.Model, "", "the network %s has no value of %s", e.network.Name, slot.Name)
		}
		values, err := t.Float32s()
		if err != nil {
			return err
		}
		v, err := e.eval.session.NewValue(ort.Float32T, slot.Shape...)
		if err != nil {
			return err
		}
		e.eval.fixed[slot.Name] = v
		if err := e.eval.session.Upload(ctx, v, ort.NewTensor(values, slot.Shape...)); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) graphs() []*compiledGraph {
	var all []*compiledGraph
	for _, size := range slices.Sorted(maps.Keys(e.train)) {
		all = append(all, e.train[size])
	}
	for _, p := range []*compiledGraph{e.update, e.eval} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

func (e *engine) close() {
	for _, p := range e.graphs() {
		p.closeBindings()
	}
	if e.state != nil {
		e.state.close()
	}
	for _, p := range e.graphs() { // after the values on the device
		p.close()
	}
}

// newNotes returns the notes about where and how the graphs run that it has not
// returned before: only the first runs show whether CUDA graphs are recorded.
func (e *engine) newNotes() []string {
	var notes []string
	for _, p := range e.graphs() {
		title, device := p.graph.Title, p.session.Device().String()
		all := []string{p.report(title, device)}
		if problem := p.session.CaptureProblem(); problem != "" {
			all = append(all, fmt.Sprintf("%s: runs without CUDA graphs, kernel by kernel: %s", title, problem))
		}
		for _, note := range all {
			if note != "" && !e.reported[note] {
				e.reported[note] = true
				notes = append(notes, note)
			}
		}
	}
	return notes
}

// noise returns the random inputs of the steps by batch size.
func (e *engine) noise() map[int][]autodiff.Noise {
	all := map[int][]autodiff.Noise{}
	for size, p := range e.train {
		all[size] = p.graph.Noise
	}
	return all
}

// session returns the session of the training steps.
func (e *engine) session() *ort.Session { return e.state.session }

// outcome is the result of a batch.
type outcome struct {
	loss    float64 // mean over the batch
	weight  float64 // of the batch in a mean over batches
	correct int
}

// errNonFinite ends a run: the state after the step is unusable.
var errNonFinite = errors.New("the loss is not finite")

// share is a batch's share of a step.
type share struct {
	first, last bool    // of the batches of the step
	part        float64 // of the step's photos
}

// step trains on a batch: a whole step, or its share of one. It checks ctx only
// before it begins, because half a step can't be resumed.
func (e *engine) step(ctx context.Context, b *batch, rate float64, s share) (outcome, error) {
	if err := ctx.Err(); err != nil {
		return outcome{}, err
	}
	ctx = context.WithoutCancel(ctx)
	p := e.train[len(b.items)]
	if e.update != nil && s.first {
		if err := e.state.clearGradients(ctx); err != nil {
			return outcome{}, err
		}
	}
	p.input(p.graph.LearningRate, rate)
	p.input(p.graph.Scale, s.part)
	if err := p.run(ctx, b); err != nil {
		return outcome{}, e.explain(err)
	}
	o := p.outcome(len(b.items))
	if !finite(o.loss) {
		return o, errNonFinite
	}
	p.commit()
	if e.update == nil || !s.last {
		return o, nil
	}
	e.update.input(e.update.graph.LearningRate, rate)
	if err := e.update.run(ctx, nil); err != nil {
		return o, err
	}
	e.update.commit()
	return o, nil
}

// explain adds a hint if ONNX Runtime refuses a graph or a run. Some problems, such as
// a fixed batch size inside the graph, show only then.
func (e *engine) explain(err error) error {
	if fail.HintOf(err) != "" || errors.Is(err, context.Canceled) || fail.KindOf(err) == fail.Device {
		return err
	}
	return fail.Wrap(fail.KindOf(err), err, autodiff.FixedSizes, "the training step of %s", e.network.Name)
}

// evaluate evaluates a batch with the current state.
func (e *engine) evaluate(ctx context.Context, b *batch) (outcome, error) {
	if err := e.eval.run(ctx, b); err != nil {
		return outcome{}, err
	}
	return e.eval.outcome(len(b.items)), nil
}
