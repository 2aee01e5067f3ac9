package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// The gradient of a convolution's weight is a product of dY with the input's
// windows, dW[o, i, tap] = Σ dY[n, o, p] X[n, i, p·stride + tap] over images n
// and places p. Which arrangement is fastest depends on the shape; measured on
// ONNX Runtime 1.31 with two CPU threads and ResNet-18's shapes:
//
//   - many places, few channels: one product per image, added up afterwards;
//   - few places, many channels: channels moved to the front, one product over
//     all images and places;
//   - one input and output channel per group: images and channels become the
//     groups of one convolution whose kernels are dY.
const fewPlaces = 196

// convWeightGradient returns dW, of the weight's shape.
func (c *context) convWeightGradient(v conv) string {
	perOutput, perInput := v.outputs/v.groups, v.inputs/v.groups
	switch {
	case v.groups > 1 && perOutput == 1 && perInput == 1:
		return c.depthwiseWeight(v)
	case v.groups > 1:
		return c.groupedWeight(v, perOutput, perInput)
	case product(v.out) <= fewPlaces:
		return c.weightOverAll(v)
	}
	return c.weightPerImage(v)
}

// windows returns for every tap the places that it reads, each of x's shape
// with the output's sizes, x having its channels and images in the first two axes.
func (c *context) windows(x string, v conv) []string {
	if v.plain() {
		return []string{x}
	}
	before, after := []int64{0, 0}, []int64{0, 0}
	for i := range v.in {
		before = append(before, v.before[i])
		after = append(after, max(v.reach(i)-v.in[i]-v.before[i], 0))
	}
	x = c.pad(x, before, after)
	var taps []string
	axes := axesFrom(2, len(v.in)+2)
	v.taps(func(offset []int64) {
		ends := make([]int64, len(offset))
		for i, o := range offset {
			ends[i] = o + (v.out[i]-1)*v.stride[i] + 1
		}
		taps = append(taps, c.slice(x, axes, offset, ends, v.stride))
	})
	return taps
}

// weightPerImage: [N, outputs, P] · [N, taps·inputs, P]ᵀ, summed over images.
func (c *context) weightPerImage(v conv) string {
	places := product(v.out)
	columns := c.columns(c.windows(c.in(0), v), 1, v.batch, product(v.kernel)*v.inputs, places)
	dy := c.reshape(c.dy, v.batch, v.outputs, places)
	products := c.Op("MatMul", dy, c.swapLast(columns, 3))
	return c.tapsLast(c.sum(products, false, 0), v)
}

// weightOverAll: [outputs, N·P] · [taps·inputs, N·P]ᵀ.
func (c *context) weightOverAll(v conv) string {
	all := v.batch * product(v.out)
	front := slices.Concat([]int64{1, 0}, axesFrom(2, len(v.in)+2))
	columns := c.columns(c.windows(c.transpose(c.in(0), front...), v), 0, product(v.kernel)*v.inputs, all)
	dy := c.reshape(c.transpose(c.dy, front...), v.outputs, all)
	return c.tapsLast(c.With("Gemm", []string{dy, columns}, onnx.Int("transB", 1)), v)
}

func (c *context) columns(taps []string, axis int64, shape ...int64) string {
	all := taps[0]
	if len(taps) > 1 {
		all = c.With("Concat", taps, onnx.Int("axis", axis))
	}
	return c.reshape(all, shape...)
}

// tapsLast turns [outputs, taps·inputs] into the weight's shape.
func (c *context) tapsLast(w string, v conv) string {
	shape := slices.Concat([]int64{v.outputs, v.inputs}, v.kernel)
	if product(v.kernel) == 1 {
		return c.reshape(w, shape...)
	}
	w = c.reshape(w, slices.Concat([]int64{v.outputs}, v.kernel, []int64{v.inputs})...)
	rank := len(v.kernel)
	return c.transpose(w, slices.Concat([]int64{0, int64(rank + 1)}, axesFrom(1, rank+1))...)
}

// groupedWeight: one product per image and group.
func (c *context) groupedWeight(v conv, perOutput, perInput int64) string {
	places, taps := product(v.out), product(v.kernel)
	var parts []string // each [N, groups, inputs per group, P]
	for _, t := range c.windows(c.in(0), v) {
		parts = append(parts, c.reshape(t, v.batch, v.groups, perInput, places))
	}
	columns := c.columns(parts, 2, v.batch, v.groups, taps*perInput, places)
	dy := c.reshape(c.dy, v.batch, v.groups, perOutput, places)
	products := c.sum(c.Op("MatMul", dy, c.swapLast(columns, 4)), false, 0)
	return c.tapsLast(products, conv{window: v.window, outputs: v.outputs, inputs: perInput})
}

// depthwiseWeight: every image's channel is convolved with its dY; strides and
// dilations change places.
func (c *context) depthwiseWeight(v conv) string {
	maps := v.batch * v.inputs
	x := c.reshape(c.in(0), slices.Concat([]int64{1, maps}, v.in)...)
	dy := c.reshape(c.dy, slices.Concat([]int64{maps, 1}, v.out)...)
	before, after := []int64{0, 0}, []int64{0, 0}
	for i := range v.in {
		before = append(before, v.before[i])
		after = append(after, v.reach(i)-v.in[i]-v.before[i])
	}
	x = c.crop(x, slices.Concat([]int64{1, maps}, v.in), before, after)
	products := c.With("Conv", []string{x, dy}, onnx.Ints("kernel_shape", v.out...),
		onnx.Ints("strides", v.dilation...), onnx.Ints("dilations", v.stride...), onnx.Int("group", maps))
	perImage := c.reshape(products, slices.Concat([]int64{v.batch, v.inputs, 1}, v.kernel)...)
	return c.sum(perImage, false, 0)
}
