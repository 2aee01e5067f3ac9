package finetune

import (
	"context"
	"math"
	"strings"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/weights"
)

// state is everything that one step passes to the next: parameters, statistics and
// the optimizer state. It stays on the device. Each tensor that changes has two values:
// a graph reads one and writes the other, then they swap. On the CPU a tensor is
// overwritten if its slot allows it (Slot.InPlace), which halves the memory; then a
// step that fails halfway loses the state.
type state struct {
	cells   []*cell
	byName  map[string]*cell
	session *ort.Session // of the device with the values
}

type cell struct {
	artifacts.Slot
	values  [2]*ort.Value // the same one twice if no graph changes it or it is overwritten
	current int           // index of the current value
}

// newState copies initial values to the device of the session.
func newState(ctx context.Context, session *ort.Session, graphs []*artifacts.Graph,
	initial *weights.StateDict) (*state, error) {
	s := &state{session: session, byName: map[string]*cell{}}
	for _, slot := range artifacts.Slots(graphs...) {
		c := &cell{Slot: slot}
		s.byName[slot.Name], s.cells = c, append(s.cells, c)
	}
	for _, c := range s.cells {
		for i := range c.values {
			if i == 1 && (c.Next == "" || c.InPlace && session.Device() == ort.CPU) {
				c.values[1] = c.values[0]
				continue
			}
			v, err := session.NewValue(ort.Float32T, c.Shape...)
			if err != nil {
				s.close()
				return nil, err
			}
			c.values[i] = v
		}
	}
	if err := s.set(ctx, initial); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// set replaces all values.
func (s *state) set(ctx context.Context, from *weights.StateDict) error {
	for _, c := range s.cells {
		t, ok := from.Get(c.Name)
		if !ok {
			return fail.New(fail.Model, "The checkpoint is of another run.", "no value of %s", c.Name)
		}
		values, err := t.Float32s()
		if err != nil {
			return fail.Wrap(fail.Model, err, "", "%s", c.Name)
		}
		if err := s.session.Upload(ctx, c.values[c.current], ort.NewTensor(values, c.Shape...)); err != nil {
			return fail.Wrap(fail.KindOf(err), err, "", "%s", c.Name)
		}
	}
	return nil
}

// clearGradients sets the accumulated gradients to 0.
func (s *state) clearGradients(ctx context.Context) error {
	var sums []*ort.Value
	for _, c := range s.cells {
		if c.Kind == artifacts.GradientState {
			sums = append(sums, c.values[c.current])
		}
	}
	return s.session.Clear(ctx, sums...)
}

// read returns the current values. On the CPU they share the state's memory and are
// valid until the next step.
func (s *state) read(ctx context.Context) (*weights.StateDict, error) {
	all := weights.NewStateDict()
	for _, c := range s.cells {
		v := c.values[c.current]
		var values []float32
		if v.OnHost() {
			values = ort.Data[float32](v.Tensor())
		} else {
			t := ort.NewTensor(make([]float32, elements(c.Shape)), c.Shape...)
			if err := s.session.Download(ctx, t, v); err != nil {
				return nil, err
			}
			values = ort.Data[float32](t)
		}
		shape := make([]int, len(c.Shape))
		for i, d := range c.Shape {
			shape[i] = int(d)
		}
		all.Set(c.Name, weights.FromFloat32(shape, values))
	}
	return all, nil
}

// copy returns the current values in memory of their own.
func (s *state) copy(ctx context.Context) (*weights.StateDict, error) {
	shared, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	own := weights.NewStateDict()
	for _, name := range shared.Names() {
		t, _ := shared.Get(name)
		t.Data = append([]byte(nil), t.Data...)
		own.Set(name, t)
	}
	return own, nil
}

// slots returns the slots of the state.
func (s *state) slots() []artifacts.Slot {
	all := make([]artifacts.Slot, len(s.cells))
	for i, c := range s.cells {
		all[i] = c.Slot
	}
	return all
}

func (s *state) close() {
	for _, c := range s.cells {
		for i, v := range c.values {
			if v != nil && (i == 0 || v != c.values[0]) {
				v.Close()
			}
		}
	}
}

func elements(shape []int64) int {
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	return n
}

// firstNonFinite returns the name of a tensor with a value that is not finite, or "".
// It ignores gradients under a loss scale, because their update will be skipped.
func (r *run) firstNonFinite(all *weights.StateDict) string {
	for _, name := range all.Names() {
		if r.options.Precision == artifacts.Float16 && strings.HasSuffix(name, artifacts.GradientSuffix) {
			continue
		}
		t, _ := all.Get(name)
		values, err := t.Float32s()
		if err != nil {
			continue // counters
		}
		for _, v := range values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return name
			}
		}
	}
	return ""
}
