package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// Convolution.
var convolutionRules = map[string]rule{
	"Conv": {backward: convGradient},
}

// conv is the geometry of a Conv node.
type conv struct {
	window
	batch, inputs, outputs, groups int64
}

// conv reads the node; ok is false if it failed.
func (c *context) conv() (v conv, ok bool) {
	x, weight := c.shape(c.in(0)), c.shape(c.in(1))
	if c.err != nil || len(weight) != len(x) {
		c.fail("input %v and weight %v do not fit each other", x, weight)
		return v, false
	}
	v = conv{c.window(weight[2:]), x[0], x[1], weight[0], c.integer("group", 1)}
	return v, c.err == nil
}

func convGradient(c *context) {
	v, ok := c.conv()
	if !ok {
		return
	}
	if c.needs(2) {
		c.give(2, c.sum(c.dy, false, statisticAxes(c.shape(c.in(0)))...))
	}
	if c.needs(1) {
		c.give(1, c.convWeightGradient(v))
	}
	if c.needs(0) {
		c.give(0, c.convDataGradient(v))
	}
}

// convDataGradient returns dX: for stride 1 a convolution of dY with the flipped kernel
// and swapped channels, which every provider runs fast; else the transposed
// convolution.
func (c *context) convDataGradient(v conv) string {
	before, after := make([]int64, len(v.in)), make([]int64, len(v.in))
	dense := product(v.stride) == 1
	for i := range v.in {
		before[i] = v.extent(i) - 1 - v.before[i]
		after[i] = v.in[i] - v.out[i] + v.before[i] // reaches the last input, read or not
		dense = dense && before[i] >= 0 && after[i] >= 0
	}
	if dense {
		return c.With("Conv", []string{c.dy, c.flippedKernel(v)}, onnx.Ints("kernel_shape", v.kernel...),
			onnx.Ints("dilations", v.dilation...), onnx.Ints("pads", slices.Concat(before, after)...),
			onnx.Int("group", v.groups))
	}
	return c.convTransposed(v)
}

// convTransposed computes the gradient of the whole padded input and crops it, because
// the padding may be larger than the kernel and no window may read the last positions.
func (c *context) convTransposed(v conv) string {
	attributes := []*attribute{
		onnx.Ints("kernel_shape", v.kernel...), onnx.Ints("strides", v.stride...),
		onnx.Ints("dilations", v.dilation...), onnx.Int("group", v.groups),
	}
	inputs := []string{c.dy, c.in(1)}
	missing := make([]int64, len(v.in)) // positions after the last window
	simple := true
	for i := range v.in {
		missing[i] = v.in[i] + v.before[i] + v.after[i] - v.reach(i)
		simple = simple && missing[i] >= 0 && missing[i] < max(v.stride[i], v.dilation[i])
	}
	if simple {
		attributes = append(attributes, onnx.Ints("pads", slices.Concat(v.before, v.after)...),
			onnx.Ints("output_padding", missing...))
		return c.With("ConvTranspose", inputs, attributes...)
	}
	whole := c.With("ConvTranspose", inputs, attributes...)
	sizes, low, high := []int64{v.batch, v.inputs}, []int64{0, 0}, []int64{0, 0}
	for i := range v.in {
		sizes = append(sizes, v.reach(i))
		low = append(low, -v.before[i])
		high = append(high, v.in[i]+v.before[i]-v.reach(i))
	}
	return c.crop(whole, sizes, low, high)
}

// flippedKernel returns the weight [outputs, inputs/groups, kernel…] with every spatial
// axis reversed and, within each group, inputs and outputs swapped.
func (c *context) flippedKernel(v conv) string {
	w := c.flip(c.in(1), v)
	rank := len(v.kernel)
	if v.groups == 1 {
		return c.transpose(w, slices.Concat([]int64{1, 0}, axesFrom(2, rank+2))...)
	}
	perOutput, perInput := v.outputs/v.groups, v.inputs/v.groups
	if perOutput == 1 && perInput == 1 {
		return w
	}
	w = c.reshape(w, slices.Concat([]int64{v.groups, perOutput, perInput}, v.kernel)...)
	w = c.transpose(w, slices.Concat([]int64{0, 2, 1}, axesFrom(3, rank+3))...)
	return c.reshape(w, slices.Concat([]int64{v.inputs, perOutput}, v.kernel)...)
}

// flip reverses the weight's kernel by a product with the exchange matrix, which is
// exact and twice as fast as a slice with steps of -1.
func (c *context) flip(w string, v conv) string {
	n := product(v.kernel)
	if n == 1 {
		return w
	}
	across := make([]float64, n*n)
	for i := range n {
		across[i*n+n-1-i] = 1
	}
	flat := c.reshape(w, v.outputs*v.inputs/v.groups, n)
	turned := c.Op("MatMul", flat, c.Tensor([]int64{n, n}, across...))
	return c.reshape(turned, slices.Concat([]int64{v.outputs, v.inputs / v.groups}, v.kernel)...)
}
