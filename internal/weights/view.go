package weights

import (
	"errors"
	"fmt"
	"math"
)

// budget is how many bytes beyond its size a file may still make fx allocate: for values of its pickle, inflated
// entries, swapped bytes and copies of strided views.
type budget struct{ left int }

func newBudget(file int) *budget { return &budget{left: 4*file + 64<<20} }

func (b *budget) take(n int) error {
	if n > b.left {
		return errors.New("it would need far more memory than its size")
	}
	b.left -= n
	return nil
}

// rebuildTensor implements torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks,
// metadata) and _rebuild_tensor, which has the first four.
func rebuildTensor(args tuple) (any, error) {
	if len(args) < 4 || len(args) > 7 {
		return nil, fmt.Errorf("%d arguments", len(args))
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, fmt.Errorf("a tensor in %s", kindOf(args[0]))
	}
	offset, ok := args[1].(int64)
	if !ok || offset < 0 || offset > int64(s.numel) {
		return nil, errors.New("a tensor that begins outside its storage")
	}
	if len(args) == 7 {
		if d, ok := args[6].(*dict); args[6] != nil && (!ok || len(d.keys) > 0) {
			return nil, errors.New("a lazily conjugated or negated tensor")
		}
	}
	v := &view{storage: s, offset: int(offset)}
	var err error
	if v.shape, err = ints(args[2]); err != nil {
		return nil, fmt.Errorf("size: %w", err)
	}
	if v.stride, err = ints(args[3]); err != nil {
		return nil, fmt.Errorf("stride: %w", err)
	}
	if len(v.stride) != len(v.shape) {
		return nil, fmt.Errorf("%d sizes and %d strides", len(v.shape), len(v.stride))
	}
	return v, v.checkInside()
}

func ints(v any) ([]int, error) {
	items, ok := sequence(v)
	if !ok {
		return nil, fmt.Errorf("%s instead of numbers", kindOf(v))
	}
	if len(items) > maxDimensions {
		return nil, fmt.Errorf("%d dimensions", len(items))
	}
	out := make([]int, len(items))
	for i, item := range items {
		n, ok := item.(int64)
		if !ok || n < 0 || n > math.MaxInt/2 {
			return nil, fmt.Errorf("%v is not a size", kindOf(item))
		}
		out[i] = int(n)
	}
	return out, nil
}

// checkInside returns an error unless every element is in the storage.
func (v *view) checkInside() error {
	n, ok := elements(v.shape)
	if !ok || n > math.MaxInt/8 {
		return fmt.Errorf("impossible shape %s", shapeText(v.shape))
	}
	if n == 0 {
		return nil
	}
	last := v.offset
	for i, d := range v.shape {
		if v.stride[i] > 0 && d-1 > (v.storage.numel-last)/v.stride[i] {
			return fmt.Errorf("shape %s, strides %s reach outside a storage of %d elements",
				shapeText(v.shape), shapeText(v.stride), v.storage.numel)
		}
		last += (d - 1) * v.stride[i]
	}
	if last >= v.storage.numel {
		return fmt.Errorf("shape %s from element %d on reaches outside a storage of %d elements",
			shapeText(v.shape), v.offset, v.storage.numel)
	}
	return nil
}

// contiguous reports whether the elements are in row-major order without gaps.
func (v *view) contiguous() bool {
	step := 1
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 && v.stride[i] != step {
			return false
		}
		step *= v.shape[i]
	}
	return true
}

// tensor returns the view as a tensor: the storage's memory if it is contiguous, else a copy in row-major order.
func (v *view) tensor(b *budget) (Tensor, error) {
	t := Tensor{DType: v.storage.dtype, Shape: v.shape}
	n, _ := elements(v.shape) // checked when the view was made
	if n == 0 {
		return t, nil
	}
	size := t.DType.Size()
	data, err := v.storage.bytes()
	if err != nil {
		return t, err
	}
	if v.contiguous() {
		start := v.offset * size
		t.Data = data[start : start+n*size : start+n*size]
		return t, nil
	}
	if err := b.take(n * size); err != nil {
		return t, err
	}
	t.Data = make([]byte, 0, n*size)
	index, at := make([]int, len(v.shape)), v.offset
	for range n {
		t.Data = append(t.Data, data[at*size:(at+1)*size]...)
		for d := len(index) - 1; d >= 0; d-- { // the next index, like an odometer
			at += v.stride[d]
			if index[d]++; index[d] < v.shape[d] {
				break
			}
			at -= v.shape[d] * v.stride[d]
			index[d] = 0
		}
	}
	return t, nil
}

// bytes returns the storage's elements.
func (s *storage) bytes() ([]byte, error) {
	data, size := s.data, s.dtype.Size()
	if s.root != nil {
		data = s.root.data
		if end := (s.start + s.numel) * size; end <= len(data) {
			data = data[s.start*size : end]
		}
	}
	if len(data) != s.numel*size {
		return nil, fmt.Errorf("storage %.40q is missing", s.key)
	}
	return data, nil
}
