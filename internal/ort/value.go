package ort

import (
	"context"
	"slices"

	"fx/internal/cuda"
	"fx/internal/fail"
)

// Value is a tensor in host or GPU memory, for use with a Binding. Binding it on its own device copies nothing.
type Value struct {
	api    api
	value  *ortValue
	free   func() // frees memory that ONNX Runtime does not own, after the value; or nil
	tensor Tensor // type, shape and address, which the host can read if host is set
	host   bool
}

// NewValue returns an uninitialised tensor in host memory.
func (rt *Runtime) NewValue(dtype DType, shape ...int64) (*Value, error) {
	v, err := newValue(rt.api, true, dtype, shape)
	if err != nil {
		return nil, err
	}
	if v.value, v.tensor.data, err = rt.api.newValue(dtype, v.tensor.shape); err != nil {
		return nil, err
	}
	return v, nil
}

// NewValue returns an uninitialised tensor on the session's device.
func (s *Session) NewValue(dtype DType, shape ...int64) (*Value, error) {
	return s.allocate(false, dtype, shape)
}

// NewHostValue returns an uninitialised tensor in host memory. For a session on a GPU it is page-locked, so that a
// Copy runs at the full speed of the bus.
func (s *Session) NewHostValue(dtype DType, shape ...int64) (*Value, error) {
	return s.allocate(true, dtype, shape)
}

func newValue(a api, host bool, dtype DType, shape []int64) (*Value, error) {
	count, err := elements(shape)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "a tensor")
	}
	return &Value{api: a, host: host, tensor: Tensor{dtype: dtype, shape: slices.Clone(shape), count: count}}, nil
}

// allocate takes GPU memory from the driver, never from the session: ONNX Runtime's arena treats the intermediate
// memory of a captured run as free, and would hand it out although replays still write to it.
func (s *Session) allocate(host bool, dtype DType, shape []int64) (v *Value, err error) {
	if s.placed.cuda {
		v, err = s.onGPU(host, dtype, shape)
	} else {
		v, err = s.runtime.NewValue(dtype, shape...)
	}
	if err != nil {
		return nil, s.explain(err, "a tensor of shape %v on %s", shape, s.placed.device)
	}
	return v, nil
}

func (s *Session) onGPU(host bool, dtype DType, shape []int64) (*Value, error) {
	v, err := newValue(s.runtime.api, host, dtype, shape)
	if err != nil {
		return nil, err
	}
	memory, err := cuda.MemoryOf(s.placed.device.ID)
	if err != nil {
		return nil, err
	}
	if v.tensor.data, v.free, err = memory.Allocate(host, v.tensor.size()); err != nil {
		return nil, err
	}
	gpu := s.placed.device.ID
	if host {
		gpu = -1
	}
	if v.value, err = v.api.wrapValue(gpu, v.tensor.data, v.tensor.size(), dtype, v.tensor.shape); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// Tensor returns a view of the value's memory, valid until Close. It panics for a value on a GPU; use Copy, Upload and
// Download for that.
func (v *Value) Tensor() Tensor {
	if !v.host {
		panic("ort: Tensor of a value on a GPU")
	}
	return v.tensor
}

// OnHost reports whether the value is in host memory, so that Tensor may be called.
func (v *Value) OnHost() bool { return v.host }

// DType returns the element type.
func (v *Value) DType() DType { return v.tensor.dtype }

// Shape returns the sizes. The caller must not change them.
func (v *Value) Shape() []int64 { return v.tensor.shape }

// Close frees the memory. A second Close does nothing.
func (v *Value) Close() {
	v.api.freeValue(v.value)
	if v.free != nil {
		v.free()
	}
	v.value, v.free, v.tensor.data = nil, nil, nil
}

// fits returns an error if t's type or shape differs from v's.
func (v *Value) fits(t Tensor) error {
	if t.dtype != v.tensor.dtype || t.count != v.tensor.count {
		return fail.New(fail.Model, "", "%s %v and %s %v differ in type or shape", v.tensor.dtype, v.tensor.shape,
			t.dtype, t.shape)
	}
	return nil
}

// Transfer is a copy between two values of the same type and shape.
type Transfer struct{ To, From *Value }

// Copy copies between host and device, or within either, all transfers at once. It returns when all are done.
func (s *Session) Copy(ctx context.Context, transfers ...Transfer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var device []cuda.Span
	for _, t := range transfers {
		if err := t.To.fits(t.From.tensor); err != nil {
			return err
		}
		if t.To.host && t.From.host {
			copy(t.To.tensor.bytes(), t.From.tensor.bytes())
			continue
		}
		device = append(device, cuda.Span{
			To: t.To.tensor.data, From: t.From.tensor.data, Bytes: t.To.tensor.size(), ToHost: t.To.host,
			FromHost: t.From.host,
		})
	}
	return s.copySpans(device)
}

// Clear sets values to zero.
func (s *Session) Clear(ctx context.Context, values ...*Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var device []cuda.Span
	for _, v := range values {
		if v.host {
			clear(v.tensor.bytes())
		} else {
			device = append(device, cuda.Span{To: v.tensor.data, Bytes: v.tensor.size()})
		}
	}
	return s.copySpans(device)
}

// Upload copies t into to, which must have the same type and shape.
func (s *Session) Upload(ctx context.Context, to *Value, t Tensor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := to.fits(t); err != nil {
		return err
	}
	if to.host {
		copy(to.tensor.bytes(), t.bytes())
		return nil
	}
	return s.copySpans([]cuda.Span{{To: to.tensor.data, From: t.data, Bytes: t.size(), FromHost: true}})
}

// Download copies from into t, which must have the same type and shape.
func (s *Session) Download(ctx context.Context, t Tensor, from *Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := from.fits(t); err != nil {
		return err
	}
	if from.host {
		copy(t.bytes(), from.tensor.bytes())
		return nil
	}
	return s.copySpans([]cuda.Span{{To: t.data, From: from.tensor.data, Bytes: t.size(), ToHost: true}})
}

// copySpans copies between the host and the session's GPU, or within it.
func (s *Session) copySpans(spans []cuda.Span) error {
	if len(spans) == 0 {
		return nil
	}
	memory, err := cuda.MemoryOf(s.placed.device.ID)
	if err == nil {
		err = memory.Copy(spans)
	}
	if err != nil {
		return s.explain(err, "copying to or from %s", s.placed.device)
	}
	return nil
}
