package autodiff

import (
	"math"
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// maxPoolByTaps writes max pooling for the opset of bfloat16, in which ONNX
// Runtime's CUDA provider (1.31) has no MaxPool of any type: it concatenates the taps
// of the window and takes their maximum and its index. It saves the indices that
// MaxPool would return, which count through the whole input; the first of equals
// counts, and padding never does.
func (c *context) maxPoolByTaps(w window) {
	shape := c.shape(c.in(0))
	if c.err != nil {
		return
	}
	dtype := c.DType
	x := c.in(0)
	if dtype != pb.TensorProto_FLOAT {
		x = c.Cast(x, pb.TensorProto_FLOAT)
	}
	c.DType = pb.TensorProto_FLOAT
	taps := c.join(c.separateTaps(x, shape, w), 2)
	greatest := c.reduce("ReduceMax", taps, false, 2)
	c.replace("Cast", []string{greatest}, onnx.Int("to", int64(dtype)))
	c.DType = dtype

	which := c.With("ArgMax", []string{taps}, onnx.Int("axis", 2), onnx.Int("keepdims", 0))
	offsets, places := tapOffsets(w)
	offset := c.With("Gather", []string{c.constant(onnx.NewInt64("offsets", []int64{int64(len(offsets))}, offsets)),
		which}, onnx.Int("axis", 0))
	maps := make([]int64, shape[0]*shape[1])
	for i := range maps {
		maps[i] = int64(i) * product(w.in)
	}
	ones := slices.Repeat([]int64{1}, len(w.in))
	place := c.constant(onnx.NewInt64("places", slices.Concat([]int64{1, 1}, w.out), places))
	start := c.constant(onnx.NewInt64("maps", slices.Concat(shape[:2], ones), maps))
	c.save("indices", c.Op("Add", offset, c.Op("Add", place, start)))
}

// separateTaps cuts x, padded by -∞, into the values that each tap of the window reads,
// each [N, C, 1, out…].
func (c *context) separateTaps(x string, shape []int64, w window) []string {
	rank := len(w.in)
	before, after := []int64{0, 0}, []int64{0, 0}
	for i := range w.in {
		before = append(before, w.before[i])
		after = append(after, max(w.reach(i)-w.in[i]-w.before[i], 0))
	}
	if pads := slices.Concat(before, after); slices.Max(pads) > 0 {
		x = c.Op("Pad", x, c.Ints(pads...), c.Scalar(math.Inf(-1)))
	}
	var parts []string
	w.taps(func(offset []int64) {
		ends := make([]int64, rank)
		for i, o := range offset {
			ends[i] = o + (w.out[i]-1)*w.stride[i] + 1
		}
		part := c.slice(x, axesFrom(2, rank+2), slices.Clone(offset), ends, w.stride)
		parts = append(parts, c.reshape(part, slices.Concat(shape[:2], []int64{1}, w.out)...))
	})
	return parts
}

// tapOffsets returns the distance of each tap from the first, and the position of each
// window's first tap, both counted within one map of the input.
func tapOffsets(w window) (offsets, places []int64) {
	flat := func(at []int64) int64 {
		index := int64(0)
		for i, a := range at {
			index = index*w.in[i] + a
		}
		return index
	}
	w.taps(func(offset []int64) { offsets = append(offsets, flat(offset)) })
	at := make([]int64, len(w.out))
	for range product(w.out) {
		corner := make([]int64, len(at))
		for i, a := range at {
			corner[i] = a*w.stride[i] - w.before[i]
		}
		places = append(places, flat(corner))
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < w.out[i] {
				break
			}
			at[i] = 0
		}
	}
	return offsets, places
}

// wholeMap returns the window over the whole map.
func wholeMap(shape []int64) window {
	rank := len(shape) - 2
	ones, zeros := slices.Repeat([]int64{1}, rank), make([]int64, rank)
	return window{in: shape[2:], out: ones, kernel: shape[2:], stride: ones, dilation: ones, before: zeros,
		after: zeros}
}
