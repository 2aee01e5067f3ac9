package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// Sums, means and extremes over axes.
var reductionRules = map[string]rule{
	"ReduceSum": {backward: func(c *context) {
		c.give(0, c.Op("Expand", c.kept(c.dy), c.Ints(c.shape(c.in(0))...)))
	}},
	"ReduceMean": {backward: func(c *context) {
		in, out := c.shape(c.in(0)), c.shape(c.out(0))
		share := c.Op("Div", c.kept(c.dy), c.Scalar(float64(product(in)/product(out))))
		c.give(0, c.Op("Expand", share, c.Ints(in...)))
	}},
	"ReduceSumSquare": {backward: func(c *context) { // 2 x dy
		twice := c.Op("Mul", c.kept(c.dy), c.Scalar(2))
		c.give(0, c.Op("Mul", c.in(0), twice))
	}},
	"ReduceL2": {backward: func(c *context) { // x dy / y, and 0 where y is
		norm := c.kept(c.out(0))
		norm = c.Op("Where", c.Op("Equal", norm, c.Scalar(0)), c.Scalar(1), norm)
		c.give(0, c.Op("Mul", c.in(0), c.Op("Div", c.kept(c.dy), norm)))
	}},
	"ReduceMax": {backward: reduceExtremeGradient},
	"ReduceMin": {backward: reduceExtremeGradient},
	"CumSum": {backward: func(c *context) { // the sum from the other end
		c.give(0, c.With("CumSum", []string{c.dy, c.in(1)}, onnx.Int("exclusive", c.integer("exclusive", 0)),
			onnx.Int("reverse", 1-c.integer("reverse", 0))))
	}},
}

// reduceExtremeGradient shares the gradient evenly among equal extremes, as torch.amax
// does. torch's max(dim), which picks one of them, is an ArgMax and a GatherElements in
// the files of scripts/export_onnx.
func reduceExtremeGradient(c *context) {
	chosen := c.Cast(c.Op("Equal", c.in(0), c.kept(c.out(0))), c.DType)
	count := c.sum(chosen, true, c.reducedAxes()...)
	c.give(0, c.Op("Mul", chosen, c.Op("Div", c.kept(c.dy), count)))
}

// kept reshapes x, of the output's shape, so that the reduced axes have size 1.
func (c *context) kept(x string) string {
	shape := slices.Clone(c.shape(c.in(0)))
	if len(shape) == len(c.shape(c.out(0))) {
		return x
	}
	for _, axis := range c.reducedAxes() {
		shape[axis] = 1
	}
	return c.reshape(x, shape...)
}

// reducedAxes returns the axes of a reduction, counted from the front.
func (c *context) reducedAxes() []int64 {
	rank := len(c.shape(c.in(0)))
	axes, ok := c.constantInput(1)
	if !ok {
		return axesFrom(0, rank)
	}
	axes = slices.Clone(axes)
	for i, axis := range axes {
		axes[i] = fromFront(axis, rank)
	}
	return axes
}
