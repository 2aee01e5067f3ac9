package autodiff

import "slices"

// Sums and means over axes.
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
	"ReduceL2": {backward: func(c *context) { // x dy / y
		c.give(0, c.Op("Mul", c.in(0), c.Op("Div", c.kept(c.dy), c.kept(c.out(0)))))
	}},
}

// kept reshapes x, of the output's shape, so that the reduced axes have size 1.
func (c *context) kept(x string) string {
	shape := slices.Clone(c.shape(c.in(0)))
	if len(shape) == len(c.shape(c.out(0))) {
		return x
	}
	axes, ok := c.constantInput(1)
	if !ok {
		axes = axesFrom(0, len(shape))
	}
	for _, axis := range axes {
		shape[fromFront(axis, len(shape))] = 1
	}
	return c.reshape(x, shape...)
}
