package ort

import (
	"context"
	"slices"
	"sync"
	"unsafe"

	"fx/internal/fail"
)

// Value is a tensor in ONNX Runtime's memory, in the host's or on a GPU, for
// use with a Binding: nothing is copied when it is bound on its own device.
type Value struct {
	api       api
	value     unsafe.Pointer
	allocator unsafe.Pointer // of a GPU, freed after the value
	tensor    Tensor         // type and shape; its data are readable in host memory alone
	host      bool
}

// NewValue returns a tensor in host memory whose content is not set.
func (rt *Runtime) NewValue(dtype DType, shape ...int64) (*Value, error) {
	return rt.api.allocate(nil, -1, dtype, shape)
}

// NewValue returns a tensor on the session's device whose content is not set.
// It is to be closed before the session.
func (s *Session) NewValue(dtype DType, shape ...int64) (*Value, error) {
	gpu := -1
	if s.placed.cuda {
		gpu = s.placed.device.ID
	}
	v, err := s.runtime.api.allocate(s.session, gpu, dtype, shape)
	if err != nil {
		return nil, s.explain(err, "a tensor of shape %v on %s", shape, s.placed.device)
	}
	return v, nil
}

func (a api) allocate(session unsafe.Pointer, gpu int, dtype DType, shape []int64) (*Value, error) {
	count, err := elements(shape)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "a tensor")
	}
	v := &Value{api: a, host: gpu < 0, tensor: Tensor{dtype: dtype, shape: slices.Clone(shape), count: count}}
	if v.value, v.allocator, v.tensor.data, err = a.newValue(session, gpu, dtype, v.tensor.shape); err != nil {
		return nil, err
	}
	return v, nil
}

// Tensor is a view of the value's memory, valid until Close. It panics for a
// value on a GPU, which Upload and Download reach.
func (v *Value) Tensor() Tensor {
	if !v.host {
		panic("ort: Tensor of a value on a GPU")
	}
	return v.tensor
}

// OnHost reports whether the value lies in host memory, where Tensor reaches it.
func (v *Value) OnHost() bool { return v.host }

// DType returns the element type.
func (v *Value) DType() DType { return v.tensor.dtype }

// Shape returns the sizes. The caller must not change them.
func (v *Value) Shape() []int64 { return v.tensor.shape }

// Close frees the memory. Closing twice does nothing.
func (v *Value) Close() {
	v.api.freeValue(v.value, v.allocator)
	v.value, v.allocator, v.tensor.data = nil, nil, nil
}

// fits reports a tensor of another type or size than v.
func (v *Value) fits(t Tensor) error {
	if t.dtype != v.tensor.dtype || t.count != v.tensor.count {
		return fail.New(fail.Model, "", "%s %v and %s %v are not alike", v.tensor.dtype, v.tensor.shape, t.dtype, t.shape)
	}
	return nil
}

// Upload copies t, which is like to, into to.
func (s *Session) Upload(ctx context.Context, to *Value, t Tensor) error {
	if err := to.fits(t); err != nil {
		return err
	}
	if to.host {
		copy(to.tensor.bytes(), t.bytes())
		return nil
	}
	from, err := s.runtime.NewValue(to.tensor.dtype, to.tensor.shape...)
	if err != nil {
		return err
	}
	defer from.Close()
	copy(from.tensor.bytes(), t.bytes())
	return s.transfer(ctx, from, to)
}

// Download copies from into t, which is like it.
func (s *Session) Download(ctx context.Context, t Tensor, from *Value) error {
	if err := from.fits(t); err != nil {
		return err
	}
	if from.host {
		copy(t.bytes(), from.tensor.bytes())
		return nil
	}
	to, err := s.runtime.NewValue(from.tensor.dtype, from.tensor.shape...)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := s.transfer(ctx, from, to); err != nil {
		return err
	}
	copy(t.bytes(), to.tensor.bytes())
	return nil
}

// couriers are sessions that do nothing but hand a tensor on, one for each
// device and element type: ONNX Runtime's C API copies between devices only as
// part of a run.
var couriers struct {
	sync.Mutex
	sessions map[courier]*Session
}

type courier struct {
	device Device
	dtype  DType
}

// transfer copies between host and device, or within either.
func (s *Session) transfer(ctx context.Context, from, to *Value) error {
	couriers.Lock()
	defer couriers.Unlock()
	key := courier{s.placed.device, from.tensor.dtype}
	session := couriers.sessions[key]
	if session == nil {
		var err error
		if session, err = s.runtime.NewSession(identityModel(key.dtype), SessionOptions{Device: key.device, Threads: 1}); err != nil {
			return err
		}
		if couriers.sessions == nil {
			couriers.sessions = map[courier]*Session{}
		}
		couriers.sessions[key] = session // for the life of the process, as its device is
	}
	b, err := session.NewBinding()
	if err != nil {
		return err
	}
	defer b.Close()
	api := s.runtime.api // the network takes any shape, which Binding would have to know
	if err := api.bind(b.handle, false, session.inNames[0], from.value); err != nil {
		return s.explain(err, "copying to %s", s.placed.device)
	}
	if err := api.bind(b.handle, true, session.outNames[0], to.value); err != nil {
		return s.explain(err, "copying from %s", s.placed.device)
	}
	b.inputs[0], b.outputs[0] = from, to
	return b.Run(ctx)
}

// identityModel hands on one tensor of any shape.
func identityModel(dtype DType) []byte {
	value := func(name string) message { // without a shape
		return message{}.text(1, name).bytes(2, message{}.bytes(1, message{}.number(1, int64(dtype))))
	}
	return onnxModel(onnxGraph(
		[]message{onnxNode("Identity", []string{"from"}, []string{"to"})},
		nil, []message{value("from")}, []message{value("to")},
	))
}
