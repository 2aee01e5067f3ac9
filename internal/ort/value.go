package ort

import (
	"context"
	"slices"
	"unsafe"

	"fx/internal/fail"
)

// Value is a tensor in ONNX Runtime's memory, in the host's or on a GPU, for
// use with a Binding: nothing is copied when it is bound on its own device.
type Value struct {
	api       api
	value     unsafe.Pointer
	allocator unsafe.Pointer // of a GPU or its pinned memory, freed after the value
	tensor    Tensor         // type, shape and address, which the host can read where host is set
	host      bool
}

// NewValue returns a tensor in host memory whose content is not set.
func (rt *Runtime) NewValue(dtype DType, shape ...int64) (*Value, error) {
	return rt.api.allocate(nil, -1, false, dtype, shape)
}

// NewValue returns a tensor on the session's device whose content is not set.
// It is to be closed before the session.
func (s *Session) NewValue(dtype DType, shape ...int64) (*Value, error) {
	return s.allocate(false, dtype, shape)
}

// NewHostValue returns a tensor in host memory whose content is not set. For a
// session on a GPU it is page-locked, so that a Copy runs at the full speed of
// the bus. It is to be closed before the session.
func (s *Session) NewHostValue(dtype DType, shape ...int64) (*Value, error) {
	return s.allocate(true, dtype, shape)
}

func (s *Session) allocate(host bool, dtype DType, shape []int64) (v *Value, err error) {
	if !s.placed.cuda {
		v, err = s.runtime.api.allocate(nil, -1, false, dtype, shape)
	} else {
		besideCaptures(func() { v, err = s.runtime.api.allocate(s.session, s.placed.device.ID, host, dtype, shape) })
	}
	if err != nil {
		return nil, s.explain(err, "a tensor of shape %v on %s", shape, s.placed.device)
	}
	return v, nil
}

func (a api) allocate(session unsafe.Pointer, gpu int, pinned bool, dtype DType, shape []int64) (*Value, error) {
	count, err := elements(shape)
	if err != nil {
		return nil, fail.Wrap(fail.Model, err, "", "a tensor")
	}
	v := &Value{api: a, host: gpu < 0 || pinned, tensor: Tensor{dtype: dtype, shape: slices.Clone(shape), count: count}}
	if v.value, v.allocator, v.tensor.data, err = a.newValue(session, gpu, pinned, dtype, v.tensor.shape); err != nil {
		return nil, err
	}
	return v, nil
}

// Tensor is a view of the value's memory, valid until Close. It panics for a
// value on a GPU, which Copy, Upload and Download reach.
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
	if v.value == nil {
		return
	}
	release := func() { v.api.freeValue(v.value, v.allocator) }
	if v.allocator == nil {
		release()
	} else {
		besideCaptures(release)
	}
	v.value, v.allocator, v.tensor.data = nil, nil, nil
}

// fits reports a tensor of another type or size than v.
func (v *Value) fits(t Tensor) error {
	if t.dtype != v.tensor.dtype || t.count != v.tensor.count {
		return fail.New(fail.Model, "", "%s %v and %s %v are not alike", v.tensor.dtype, v.tensor.shape, t.dtype, t.shape)
	}
	return nil
}

// Transfer is a value and where its content is to go, a value that is like it.
type Transfer struct{ To, From *Value }

// Copy makes transfers between host and device, or within either, at once. It
// returns when all of them are done.
func (s *Session) Copy(ctx context.Context, transfers ...Transfer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var device []span
	for _, t := range transfers {
		if err := t.To.fits(t.From.tensor); err != nil {
			return err
		}
		if t.To.host && t.From.host {
			copy(t.To.tensor.bytes(), t.From.tensor.bytes())
			continue
		}
		device = append(device, span{t.To.tensor.data, t.From.tensor.data, t.To.tensor.size(), direction(t.To.host, t.From.host)})
	}
	return s.copySpans(device)
}

// Clear sets values to zero.
func (s *Session) Clear(ctx context.Context, values ...*Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var device []span
	for _, v := range values {
		if v.host {
			clear(v.tensor.bytes())
		} else {
			device = append(device, span{to: v.tensor.data, bytes: v.tensor.size(), direction: zeros})
		}
	}
	return s.copySpans(device)
}

// Upload copies t, which is like to, into to.
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
	return s.copySpans([]span{{to.tensor.data, t.data, t.size(), direction(false, true)}})
}

// Download copies from into t, which is like it.
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
	return s.copySpans([]span{{t.data, from.tensor.data, t.size(), direction(true, false)}})
}
