package ort

import (
	"context"
	"slices"

	"fx/internal/fail"
)

// Binding is a session together with the values that its runs read and write.
// Values on the session's device are used where they lie, so that state which
// goes from run to run is never copied. A value may be replaced between runs.
// A Binding is for one goroutine at a time, and is to be closed before its
// session and its values. In a session that records CUDA graphs, all of its
// values must lie on the device, and none can be replaced after the first run.
type Binding struct {
	session *Session
	number  int  // from 1, of the session's recordings
	ran     bool // so that it is recorded, where the session records
	handle  *ortBinding
	inputs  []*Value // bound, by the session's order
	outputs []*Value
}

// NewBinding returns a binding to which nothing is bound yet.
func (s *Session) NewBinding() (*Binding, error) {
	handle, err := s.runtime.api.newBinding(s.session)
	if err != nil {
		return nil, s.explain(err, "an IO binding")
	}
	s.capture.last++
	return &Binding{
		session: s, number: s.capture.last, handle: handle,
		inputs: make([]*Value, len(s.inputs)), outputs: make([]*Value, len(s.outputs)),
	}, nil
}

// Input has the runs that follow read v as the input of that name. A value in
// host memory is copied to a GPU here, once: what changes is to be bound again.
func (b *Binding) Input(name string, v *Value) error {
	return b.bind(name, v, false)
}

// Output has the runs that follow write v as the output of that name.
func (b *Binding) Output(name string, v *Value) error {
	return b.bind(name, v, true)
}

func (b *Binding) bind(name string, v *Value, output bool) error {
	s := b.session
	if b.ran && s.Captures() {
		return fail.New(fail.Other, "", "binding %q anew after a run that was recorded", name)
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

// Run runs the session once. Everything must be bound. It ends early as
// Session.Run does; bound outputs then hold nothing of use.
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

// Close frees the binding, not its values. Closing twice does nothing.
func (b *Binding) Close() {
	if b.handle != nil {
		b.session.runtime.api.freeBinding(b.handle)
		b.handle = nil
	}
}
