package autodiff

import (
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Interpolation.
var resizeRules = map[string]rule{
	"Resize": {backward: resizeGradient},
}

// resizeGradient: a Resize multiplies each axis by a matrix [out, in], which is the
// Resize of the unit matrix along its rows. The gradient multiplies dy by its transpose.
func resizeGradient(c *context) {
	in, out := c.shape(c.in(0)), slices.Clone(c.shape(c.out(0)))
	if mode := c.text("coordinate_transformation_mode", "half_pixel"); mode == "tf_crop_and_resize" {
		c.fail("mode %q has no rule: extend resizeGradient in finetune/autodiff/rules_resize.go", mode)
		return
	}
	axes := axesFrom(0, len(in))
	if a := onnx.Attribute(c.node, "axes"); a != nil {
		axes = a.Ints
	}
	dx := c.dy
	for i, axis := range axes {
		axis = fromFront(axis, len(in))
		if in[axis] == out[axis] && !c.scaled(i) {
			continue
		}
		last := int64(len(in) - 1)
		swap := axesFrom(0, len(in))
		swap[axis], swap[last] = last, axis
		dx = c.Op("MatMul", c.transpose(dx, swap...), c.resizeMatrix(i, in[axis], out[axis]))
		dx = c.transpose(dx, swap...)
	}
	c.give(0, dx)
}

// scaled reports whether the scale of axis i is given and not 1. The size may still be the same.
func (c *context) scaled(i int) bool {
	t := c.graph.index.Constant(c.in(2))
	if c.in(3) != "" || t == nil {
		return false
	}
	scales, err := onnx.Float32s(t)
	return err == nil && i < len(scales) && scales[i] != 1
}

// resizeMatrix returns the matrix [out, in] of axis i.
func (c *context) resizeMatrix(i int, in, out int64) string {
	unit := make([]float64, in*in)
	for k := range in {
		unit[k*in+k] = 1
	}
	attributes := slices.DeleteFunc(slices.Clone(c.node.Attribute), func(a *pb.AttributeProto) bool {
		return a.Name == "axes" || a.Name == "keep_aspect_ratio_policy"
	})
	inputs := []string{c.Tensor([]int64{1, 1, in, in}, unit...), "", "", c.Ints(1, 1, out, in)}
	if c.in(3) == "" { // scales, not sizes
		one := c.Tensor([]int64{1}, 1)
		scale := c.slice(c.in(2), []int64{0}, []int64{int64(i)}, []int64{int64(i + 1)}, []int64{1})
		scales := c.With("Concat", []string{one, one, scale, one}, onnx.Int("axis", 0))
		inputs = []string{inputs[0], "", scales}
	}
	return c.reshape(c.With("Resize", inputs, attributes...), out, in)
}
