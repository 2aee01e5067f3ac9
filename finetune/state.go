package finetune

import (
	"context"
	"math"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/weights"
)

// state is everything that goes from step to step: parameters, statistics, the
// optimizer's memory. It lies on the device in two sets; a step reads one and
// writes the other, and then they swap. What never changes is in both sets the
// same value.
type state struct {
	slots   []artifacts.Slot
	values  [2]map[string]*ort.Value
	current int // the set that holds the newest values
	session *ort.Session
}

// newState puts initial values on the device of the session.
func newState(ctx context.Context, session *ort.Session, slots []artifacts.Slot, initial *weights.StateDict) (*state, error) {
	s := &state{slots: slots, session: session, values: [2]map[string]*ort.Value{{}, {}}}
	for _, slot := range slots {
		for set := range s.values {
			if set == 1 && slot.Next == "" {
				s.values[1][slot.Name] = s.values[0][slot.Name]
				continue
			}
			v, err := session.NewValue(ort.Float32T, slot.Shape...)
			if err != nil {
				s.close()
				return nil, err
			}
			s.values[set][slot.Name] = v
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
	for _, slot := range s.slots {
		t, ok := from.Get(slot.Name)
		if !ok {
			return fail.New(fail.Model, "The checkpoint is of another run.", "no value of %s", slot.Name)
		}
		values, err := t.Float32s()
		if err != nil {
			return fail.Wrap(fail.Model, err, "", "%s", slot.Name)
		}
		v := s.values[s.current][slot.Name]
		if err := s.session.Upload(ctx, v, ort.NewTensor(values, slot.Shape...)); err != nil {
			return fail.Wrap(fail.KindOf(err), err, "", "%s", slot.Name)
		}
	}
	return nil
}

// read returns the newest values. On the CPU they share the state's memory:
// they are good until the next step but one.
func (s *state) read(ctx context.Context) (*weights.StateDict, error) {
	all := weights.NewStateDict()
	for _, slot := range s.slots {
		v := s.values[s.current][slot.Name]
		var values []float32
		if v.OnHost() {
			values = ort.Data[float32](v.Tensor())
		} else {
			t := ort.NewTensor(make([]float32, elements(slot.Shape)), slot.Shape...)
			if err := s.session.Download(ctx, t, v); err != nil {
				return nil, err
			}
			values = ort.Data[float32](t)
		}
		shape := make([]int, len(slot.Shape))
		for i, d := range slot.Shape {
			shape[i] = int(d)
		}
		all.Set(slot.Name, weights.FromFloat32(shape, values))
	}
	return all, nil
}

func (s *state) close() {
	for name, v := range s.values[0] {
		if w := s.values[1][name]; w != nil && w != v {
			w.Close()
		}
		v.Close()
	}
}

func elements(shape []int64) int {
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	return n
}

// firstNonFinite names a tensor that holds a value that is not finite, or "".
func firstNonFinite(all *weights.StateDict) string {
	for _, name := range all.Names() {
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
