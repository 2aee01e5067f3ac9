package autodiff

import (
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Pooling over windows, and over whole maps.
var poolingRules = map[string]rule{
	"MaxPool":     {forward: maxPoolForward, backward: maxPoolGradient},
	"AveragePool": {backward: averagePoolGradient},
	"GlobalAveragePool": {backward: func(c *context) {
		shape := c.shape(c.in(0))
		c.give(0, c.Op("Expand", c.Op("Div", c.dy, c.Scalar(float64(product(shape[2:])))), c.Ints(shape...)))
	}},
	"GlobalMaxPool": {
		forward: func(c *context) { // a MaxPool over the whole map
			shape := c.shape(c.in(0))
			if c.graph.low == pb.TensorProto_BFLOAT16 {
				c.maxPoolByTaps(wholeMap(shape))
				return
			}
			indices := c.Build.Fresh(c.scope + "indices")
			c.replace("MaxPool", []string{c.in(0)}, onnx.Ints("kernel_shape", shape[2:]...))
			last := c.Build.Graph.Node[len(c.Build.Graph.Node)-1]
			last.Output = append(last.Output, indices)
			c.save("indices", indices)
		},
		backward: func(c *context) { c.scatter(true) },
	},
}

func maxPoolForward(c *context) {
	if c.integer("storage_order", 0) != 0 {
		c.fail("storage_order 1 has no rule: extend maxPoolForward in finetune/autodiff/rules_pooling.go")
		return
	}
	if c.graph.low == pb.TensorProto_BFLOAT16 {
		c.maxPoolByTaps(c.window(nil))
		return
	}
	c.save("indices", c.keep(2)[1])
}

func maxPoolGradient(c *context) { c.scatter(c.window(nil).disjoint()) }

// scatter writes dy to the positions of the maxima and adds up the values of overlapping
// windows with the same maximum. Indices count through the whole tensor.
func (c *context) scatter(disjoint bool) {
	shape := c.shape(c.in(0))
	list := []string{
		c.Filled([]int64{product(shape)}, 0),
		c.reshape(c.load("indices"), -1),
		c.reshape(c.dy, -1),
	}
	attributes := []*attribute{onnx.Int("axis", 0)}
	if !disjoint {
		attributes = append(attributes, onnx.String("reduction", "add"))
	}
	c.give(0, c.reshape(c.With("ScatterElements", list, attributes...), shape...))
}

// averagePoolGradient distributes dy, divided by the number of positions that each
// window counts, over its window.
func averagePoolGradient(c *context) {
	shape := c.shape(c.in(0))
	w := c.window(nil)
	if c.err != nil {
		return
	}
	if w.plain() {
		c.give(0, c.dy)
		return
	}
	share := c.Op("Div", c.dy, c.windowCounts(w))
	maps := []int64{shape[0], shape[1]}
	var dx string
	switch {
	case product(w.stride) == 1 && product(w.dilation) == 1 && c.fits(w):
		dx = c.averageStride1(share, w)
	case w.disjoint() && product(w.dilation) == 1 && slices.Equal(w.kernel, w.stride):
		dx = c.averageDisjoint(share, maps, w)
	default:
		dx = c.averageTransposed(share, maps, w)
	}
	c.give(0, dx)
}

// windowCounts returns the number of positions that each window counts: all if
// count_include_pad is set, else those inside the input. Positions that ceil_mode adds
// beyond the padding never count.
func (c *context) windowCounts(w window) string {
	includePad := c.integer("count_include_pad", 0) == 1
	counts := []float64{1}
	for i := range w.in {
		low, high := int64(0), w.in[i]
		if includePad {
			low, high = -w.before[i], w.in[i]+w.after[i]
		}
		var next []float64
		for _, before := range counts {
			for o := range w.out[i] {
				count := 0.0
				for k := range w.kernel[i] {
					if at := o*w.stride[i] - w.before[i] + k*w.dilation[i]; at >= low && at < high {
						count++
					}
				}
				next = append(next, before*count)
			}
		}
		counts = next
	}
	if slices.Min(counts) == slices.Max(counts) {
		return c.Scalar(counts[0])
	}
	return c.Tensor(slices.Concat([]int64{1, 1}, w.out), counts...)
}

// fits reports whether a stride-1 window over the output, with before and after padding
// exchanged, yields the input's size.
func (c *context) fits(w window) bool {
	for i := range w.in {
		if w.before[i] > w.kernel[i]-1 || w.after[i] > w.kernel[i]-1 || w.reach(i) != w.in[i]+w.before[i]+w.after[i] {
			return false
		}
	}
	return true
}

// averageStride1 sums the shares of all windows that cover a position, for stride 1,
// with another pooling.
func (c *context) averageStride1(share string, w window) string {
	before, after := make([]int64, len(w.in)), make([]int64, len(w.in))
	for i := range w.in {
		before[i], after[i] = w.kernel[i]-1-w.before[i], w.kernel[i]-1-w.after[i]
	}
	mean := c.With("AveragePool", []string{share}, onnx.Ints("kernel_shape", w.kernel...),
		onnx.Ints("pads", slices.Concat(before, after)...), onnx.Int("count_include_pad", 1))
	return c.Op("Mul", mean, c.Scalar(float64(product(w.kernel))))
}

// averageDisjoint repeats each share over its window, for windows side by side.
func (c *context) averageDisjoint(share string, maps []int64, w window) string {
	narrow, wide, whole := slices.Clone(maps), slices.Clone(maps), slices.Clone(maps)
	before, after := []int64{0, 0}, []int64{0, 0}
	for i := range w.in {
		narrow = append(narrow, w.out[i], 1)
		wide = append(wide, w.out[i], w.kernel[i])
		whole = append(whole, w.out[i]*w.kernel[i])
		before = append(before, -w.before[i])
		after = append(after, w.in[i]+w.before[i]-w.out[i]*w.kernel[i])
	}
	blocks := c.Op("Expand", c.reshape(share, narrow...), c.Ints(wide...))
	return c.crop(c.reshape(blocks, whole...), whole, before, after)
}

// averageTransposed is the general form: a transposed convolution of single
// maps with ones.
func (c *context) averageTransposed(share string, maps []int64, w window) string {
	ones := c.Tensor(slices.Concat([]int64{1, 1}, w.kernel), slices.Repeat([]float64{1}, int(product(w.kernel)))...)
	single := c.reshape(share, slices.Concat([]int64{maps[0] * maps[1], 1}, w.out)...)
	covered := c.With("ConvTranspose", []string{single, ones}, onnx.Ints("kernel_shape", w.kernel...),
		onnx.Ints("strides", w.stride...), onnx.Ints("dilations", w.dilation...))
	sizes, before, after := slices.Clone(maps), []int64{0, 0}, []int64{0, 0}
	for i := range w.in {
		sizes = append(sizes, w.reach(i))
		before = append(before, -w.before[i])
		after = append(after, w.in[i]+w.before[i]-w.reach(i))
	}
	return c.crop(c.reshape(covered, sizes...), sizes, before, after)
}

// crop removes values, or adds zeros, at the ends of the axes of x.
func (c *context) crop(x string, sizes, before, after []int64) string {
	var axes, starts, ends, steps []int64
	low, high := make([]int64, len(sizes)), make([]int64, len(sizes))
	for i := range sizes {
		low[i], high[i] = max(before[i], 0), max(after[i], 0)
		if before[i] < 0 || after[i] < 0 {
			axes = append(axes, int64(i))
			starts = append(starts, max(-before[i], 0))
			ends = append(ends, sizes[i]-max(-after[i], 0))
			steps = append(steps, 1)
		}
	}
	return c.pad(c.slice(x, axes, starts, ends, steps), low, high)
}
