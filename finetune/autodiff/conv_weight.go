package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// The gradient of a convolution's weight is a product of dY with the values that each
// tap of the kernel reads, dW[o, i, tap] = Σ dY[n, o, p] X[n, i, p·stride + tap] over
// images n and positions p. There are several ways to compute it; milliseconds on ONNX
// Runtime 1.31, two CPU threads, batch 8, kernel 3×3 unless stated:
//
//	inputs, size → outputs       columns   taps   taps of dY   as a convolution
//	  3, 224² → 64, 7×7 / 2         27       51        –            28
//	  3, 224² → 64, 11×11 / 4       17       32        –             9
//	  3, 224² → 64                  20       44       218           42
//	 64,  56² → 64                  24       14        14           38
//	128,  56² → 32                  42       23        14           63
//	256,  14² → 256                 11       10         –           20
//	512,   7² → 512                 12       12         –           18
//
// "Columns" concatenates the taps for one product per image, as im2col does, and takes
// kernel times the input's memory; "taps" does one product per tap. "As a convolution"
// slides dY over the input. If there are few positions, moving the channels before the
// images saves the sum over images.
const (
	fewPlaces   = 196 // up to this number, channels go first
	fewChannels = 8   // below this number, one product per tap is too small
	largeKernel = 49  // from this size on, with few channels, dY slides over the input
)

// convWeightGradient returns dW, of the weight's shape.
func (c *context) convWeightGradient(v conv) string {
	perOutput, perInput := v.outputs/v.groups, v.inputs/v.groups
	places := product(v.out)
	switch {
	case v.groups > 1 && perOutput == 1 && perInput == 1:
		return c.depthwiseWeight(v)
	case v.groups > 1:
		return c.groupedWeight(v, perOutput, perInput)
	case v.plain() && places > fewPlaces:
		return c.tapsLast(c.perImage(c.dy, c.in(0), v.outputs, v.inputs, v.batch, places), v)
	case v.plain():
		return c.tapsLast(c.overAll(c.channelsFirst(c.dy, v), c.channelsFirst(c.in(0), v), v.outputs, v.inputs,
			v.batch*places), v)
	case v.inputs < fewChannels && product(v.kernel) >= largeKernel:
		return c.slidingWeight(v)
	case v.inputs < fewChannels:
		return c.columnsWeight(v)
	}
	return c.weightByTap(v, product(v.stride) == 1 && v.outputs < v.inputs)
}

// perImage returns [N, rows, P] · [N, columns, P]ᵀ, summed over images.
func (c *context) perImage(dy, x string, rows, columns, batch, places int64) string {
	products := c.Op("MatMul", c.reshape(dy, batch, rows, places), c.swapLast(c.reshape(x, batch, columns, places), 3))
	return c.sum(products, false, 0)
}

// overAll returns [rows, N·P] · [columns, N·P]ᵀ.
func (c *context) overAll(dy, x string, rows, columns, all int64) string {
	return c.With("Gemm", []string{c.reshape(dy, rows, all), c.reshape(x, columns, all)}, onnx.Int("transB", 1))
}

func (c *context) channelsFirst(x string, v conv) string {
	return c.transpose(x, slices.Concat([]int64{1, 0}, axesFrom(2, len(v.in)+2))...)
}

// weightByTap does one product per tap: of parts of dY with the input, if dY has fewer
// channels to slice, or of dY with parts of the input.
func (c *context) weightByTap(v conv, cutGradient bool) string {
	dy, x, second := c.dy, c.in(0), v.inputs
	places := product(v.out)
	if cutGradient {
		places = product(v.in)
	}
	first := places <= fewPlaces
	if first {
		dy, x, second = c.channelsFirst(dy, v), c.channelsFirst(x, v), v.batch
	}
	left, right := []string{dy}, []string{x}
	if cutGradient {
		left = c.gradientTaps(dy, v)
	} else {
		right = c.inputTaps(x, v, second)
	}
	var parts []string
	for i := range product(v.kernel) {
		l, r := left[int(i)%len(left)], right[int(i)%len(right)]
		if first {
			l = c.overAll(l, r, v.outputs, v.inputs, v.batch*places)
		} else {
			l = c.perImage(l, r, v.outputs, v.inputs, v.batch, places)
		}
		parts = append(parts, c.reshape(l, v.outputs, v.inputs, 1))
	}
	return c.reshape(c.join(parts, 2), slices.Concat([]int64{v.outputs, v.inputs}, v.kernel)...)
}

func (c *context) join(parts []string, axis int64) string {
	if len(parts) == 1 {
		return parts[0]
	}
	return c.With("Concat", parts, onnx.Int("axis", axis))
}

// inputTaps returns for every tap the values of x that it reads; second is the size of
// x's second axis. Strided slices copy value by value; so if all strides are s,
// SpaceToDepth first gathers the s² phases, whose slices are rows.
func (c *context) inputTaps(x string, v conv, second int64) []string {
	rank, stride := len(v.in), v.stride[0]
	phases := rank == 2 && stride > 1 && v.stride[1] == stride && product(v.dilation) == 1
	before, after := []int64{0, 0}, []int64{0, 0}
	for i := range v.in {
		end := max(v.reach(i)-v.in[i]-v.before[i], 0)
		if phases {
			end += (stride - (v.in[i]+v.before[i]+end)%stride) % stride
		}
		before, after = append(before, v.before[i]), append(after, end)
	}
	x = c.pad(x, before, after)
	if phases {
		x = c.With("SpaceToDepth", []string{x}, onnx.Int("blocksize", stride))
	}
	var parts []string
	v.taps(func(offset []int64) {
		if phases {
			phase := (offset[0]%stride*stride + offset[1]%stride) * second
			h, w := offset[0]/stride, offset[1]/stride
			parts = append(parts, c.slice(x, []int64{1, 2, 3}, []int64{phase, h, w},
				[]int64{phase + second, h + v.out[0], w + v.out[1]}, []int64{1, 1, 1}))
			return
		}
		ends := make([]int64, rank)
		for i, o := range offset {
			ends[i] = o + (v.out[i]-1)*v.stride[i] + 1
		}
		parts = append(parts, c.slice(x, axesFrom(2, rank+2), slices.Clone(offset), ends, v.stride))
	})
	return parts
}

// gradientTaps returns for every tap dY shifted to the positions that the tap reads,
// with the input's sizes, for stride 1.
func (c *context) gradientTaps(dy string, v conv) []string {
	rank := len(v.in)
	before, after, sizes := []int64{0, 0}, []int64{0, 0}, []int64{v.batch, v.outputs}
	for i := range v.in {
		low := v.extent(i) - 1 - v.before[i]
		before = append(before, low)
		after = append(after, v.in[i]+v.extent(i)-1-low-v.out[i])
		sizes = append(sizes, v.out[i])
	}
	dy = c.crop(dy, sizes, before, after)
	var parts []string
	v.taps(func(offset []int64) {
		starts, ends := make([]int64, rank), make([]int64, rank)
		for i, o := range offset {
			starts[i] = v.extent(i) - 1 - o
			ends[i] = starts[i] + v.in[i]
		}
		parts = append(parts, c.slice(dy, axesFrom(2, rank+2), starts, ends, slices.Repeat([]int64{1}, rank)))
	})
	return parts
}

// columnsWeight concatenates the taps: [N, outputs, P] · [N, taps·inputs, P]ᵀ.
func (c *context) columnsWeight(v conv) string {
	columns := c.join(c.inputTaps(c.in(0), v, v.inputs), 1)
	return c.tapsLast(c.perImage(c.dy, columns, v.outputs, product(v.kernel)*v.inputs, v.batch, product(v.out)), v)
}

// tapsLast transposes [outputs, taps·inputs] to the weight's shape.
func (c *context) tapsLast(w string, v conv) string {
	if product(v.kernel) == 1 {
		return c.reshape(w, slices.Concat([]int64{v.outputs, v.inputs}, v.kernel)...)
	}
	w = c.reshape(w, slices.Concat([]int64{v.outputs}, v.kernel, []int64{v.inputs})...)
	rank := len(v.kernel)
	return c.transpose(w, slices.Concat([]int64{0, int64(rank + 1)}, axesFrom(1, rank+1))...)
}

// groupedWeight does one product per image and group.
func (c *context) groupedWeight(v conv, perOutput, perInput int64) string {
	places, count := product(v.out), product(v.kernel)
	var parts []string // each [N, groups, inputs per group, P]
	for _, t := range c.inputTaps(c.in(0), v, v.inputs) {
		parts = append(parts, c.reshape(t, v.batch, v.groups, perInput, places))
	}
	columns := c.reshape(c.join(parts, 2), v.batch, v.groups, count*perInput, places)
	dy := c.reshape(c.dy, v.batch, v.groups, perOutput, places)
	products := c.sum(c.Op("MatMul", dy, c.swapLast(columns, 4)), false, 0)
	return c.tapsLast(products, conv{window: v.window, outputs: v.outputs, inputs: perInput})
}

// depthwiseWeight slides dY over the input in one convolution, in which each channel of
// each image is a group.
func (c *context) depthwiseWeight(v conv) string {
	maps := v.batch * v.inputs
	x := c.reshape(c.in(0), slices.Concat([]int64{1, maps}, v.in)...)
	dy := c.reshape(c.dy, slices.Concat([]int64{maps, 1}, v.out)...)
	perImage := c.reshape(c.slide(x, dy, []int64{1, maps}, v, maps),
		slices.Concat([]int64{v.batch, v.inputs, 1}, v.kernel)...)
	return c.sum(perImage, false, 0)
}

// slidingWeight slides dY over the input, with the images as channels.
func (c *context) slidingWeight(v conv) string {
	products := c.slide(c.channelsFirst(c.in(0), v), c.channelsFirst(c.dy, v), []int64{v.inputs, v.batch}, v, 1)
	return c.channelsFirst(products, v)
}

// slide convolves x, with leading sizes lead, with dy; strides and dilations are
// exchanged.
func (c *context) slide(x, dy string, lead []int64, v conv, groups int64) string {
	before, after := []int64{0, 0}, []int64{0, 0}
	for i := range v.in {
		before = append(before, v.before[i])
		after = append(after, v.reach(i)-v.in[i]-v.before[i])
	}
	x = c.crop(x, slices.Concat(lead, v.in), before, after)
	return c.With("Conv", []string{x, dy}, onnx.Ints("kernel_shape", v.out...),
		onnx.Ints("strides", v.dilation...), onnx.Ints("dilations", v.stride...), onnx.Int("group", groups))
}
