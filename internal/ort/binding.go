package ort

import (
	"context"
	"slices"

	"fx/internal/fail"
)

// Binding is a session with the values that its runs read and write. Values on the session's device are used in place,
// so that state is not copied between runs. A value may be replaced between runs. Only one goroutine at a time may use
// a Binding; close it before its session and its values. In a session that captures CUDA graphs, all values must be on
// the device, and none can be replaced after the first run.
type Binding struct {
	session *Session
	number  int  // from 1, among the session's Bindings
	ran     bool // so that it is captured, if the session captures
	handle  *ortBinding
	inputs  []*Value // bound, in the session's order
	outputs []*Value
}

// NewBinding returns a binding without values.
func (s *Session) NewBinding() (*Binding, error) {
	handle, err := s.runtime.api.newBinding(s.session)
	if err != nil {
		return nil, s.explain(err, "an IO binding")
	}
	return &Binding{
		session: s, number: int(s.capture.last.Add(1)), handle: handle,
		inputs: make([]*Value, len(s.inputs)), outputs: make([]*Value, len(s.outputs)),
	}, nil
}

// Input makes v the input name of later runs. For a session on a GPU, a value in host memory is copied now, once: bind
// it again after a change.
func (b *Binding) Input(name string, v *Value) error {
	return b.bind(name, v, false)
}

// Output makes v the output name of later runs.
func (b *Binding) Output(name string, v *Value) error {
	return b.bind(name, v, true)
}

func (b *Binding) bind(name string, v *Value, output bool) error {
	s := b.session
	if b.ran && s.Captures() {
		return fail.New(fail.Other, "", "binding %q again after a captured run", name)
	}
	kind, infos, all, bound := "input", s.inputs, s.inNames, b.inputs
	if output {
		kind, infos, all, bound = "output", s.outputs, s.outNames, b.outputs
	}
	i := slices.IndexFunc(infos, func(info Info) bool { return info.Name == name })
	if i < 0 {
		return fail.New(fail.Model, "", "the network has no %s %q", kind, name)
	}
	if err := infos[i].accepts(v.tensor); err != nil {
		return fail.Wrap(fail.Model, err, "", "%s %q", kind, name)
	}
	if err := s.runtime.api.bind(b.handle, output, all[i], v.value); err != nil {
		return s.explain(err, "binding %s %q on %s", kind, name, s.placed.device)
	}
	bound[i] = v
	return nil
}

// Run runs the session once. All inputs and outputs must be bound. When ctx ends, it stops as Session.Run does, and
// the outputs are undefined.
func (b *Binding) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, side := range []struct {
		kind  string
		bound []*Value
		infos []Info
	}{{"input", b.inputs, b.session.inputs}, {"output", b.outputs, b.session.outputs}} {
		if i := slices.Index(side.bound, nil); i >= 0 {
			return fail.New(fail.Model, "", "nothing is bound to the %s %q", side.kind, side.infos[i].Name)
		}
	}
	err := b.session.runBinding(ctx, b)
	b.ran = b.ran || err == nil
	return err
}

// Close frees the binding, but not its values. A second Close does nothing.
func (b *Binding) Close() {
	if b.handle != nil {
		b.session.runtime.api.freeBinding(b.handle)
		b.handle = nil
	}
}
