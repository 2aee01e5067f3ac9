package autodiff

// Arithmetic, one value at a time. y is the output, dy its gradient.
var elementwiseRules = map[string]rule{
	"Identity": {backward: func(c *context) { c.give(0, c.dy) }},
	"Cast":     {backward: castGradient},
	"CastLike": {first: true, backward: castGradient},
	"Neg":      {backward: func(c *context) { c.give(0, c.Op("Neg", c.dy)) }},
	"Exp":      {backward: func(c *context) { c.give(0, c.Op("Mul", c.dy, c.out(0))) }},
	"Log":      {backward: func(c *context) { c.give(0, c.Op("Div", c.dy, c.in(0))) }},
	"Abs":      {backward: func(c *context) { c.give(0, c.Op("Mul", c.dy, c.Op("Sign", c.in(0)))) }},
	"Reciprocal": {backward: func(c *context) { // -dy y²
		c.give(0, c.Op("Neg", c.Op("Mul", c.dy, c.Op("Mul", c.out(0), c.out(0)))))
	}},
	"Sqrt": {backward: func(c *context) { // dy / 2y
		c.give(0, c.Op("Div", c.dy, c.Op("Add", c.out(0), c.out(0))))
	}},
	"Sin": {backward: func(c *context) { c.give(0, c.Op("Mul", c.dy, c.Op("Cos", c.in(0)))) }},
	"Cos": {backward: func(c *context) { c.give(0, c.Op("Neg", c.Op("Mul", c.dy, c.Op("Sin", c.in(0))))) }},
	"Erf": {backward: func(c *context) { // dy · 2/√π · exp(-x²)
		gauss := c.Op("Exp", c.Op("Neg", c.Op("Mul", c.in(0), c.in(0))))
		c.give(0, c.Op("Mul", c.dy, c.Op("Mul", gauss, c.Scalar(1.1283791670955126))))
	}},

	"Add": {broadcasts: true, backward: func(c *context) { c.each(func(int) string { return c.dy }) }},
	"Sum": {broadcasts: true, backward: func(c *context) { c.each(func(int) string { return c.dy }) }},
	"Sub": {broadcasts: true, backward: func(c *context) {
		c.each(func(i int) string {
			if i == 1 {
				return c.Op("Neg", c.dy)
			}
			return c.dy
		})
	}},
	"Mul": {broadcasts: true, backward: func(c *context) {
		c.each(func(i int) string { return c.Op("Mul", c.dy, c.in(1-i)) })
	}},
	"Div": {broadcasts: true, backward: func(c *context) { // dy/b and -dy y/b
		c.each(func(i int) string {
			if i == 0 {
				return c.Op("Div", c.dy, c.in(1))
			}
			return c.Op("Neg", c.Op("Div", c.Op("Mul", c.dy, c.out(0)), c.in(1)))
		})
	}},
	"Pow": {broadcasts: true, backward: func(c *context) { // dy b x^(b-1) and dy y ln x
		c.each(func(i int) string {
			x, b := c.in(0), c.in(1)
			if i == 0 {
				return c.Op("Mul", c.dy, c.Op("Mul", c.Op("Pow", x, c.Op("Sub", b, c.exponentOne())), c.likeBase(b)))
			}
			return c.Op("Mul", c.dy, c.Op("Mul", c.out(0), c.Op("Log", x)))
		})
	}},
	"Where": {broadcasts: true, backward: func(c *context) {
		c.each(func(i int) string {
			if i == 1 {
				return c.Op("Where", c.in(0), c.dy, c.Scalar(0))
			}
			return c.Op("Where", c.in(0), c.Scalar(0), c.dy)
		})
	}},
	"Max": {broadcasts: true, backward: func(c *context) { extremeGradient(c, "Greater") }},
	"Min": {broadcasts: true, backward: func(c *context) { extremeGradient(c, "Less") }},
}

func castGradient(c *context) {
	c.give(0, c.Cast(c.dy, c.graph.values[c.in(0)].DType))
}

// exponentOne is the number 1 of the exponent's type, which may be an integer.
func (c *context) exponentOne() string {
	if c.graph.values[c.in(1)].float() {
		return c.Scalar(1)
	}
	return c.Cast(c.Scalar(1), c.graph.values[c.in(1)].DType)
}

func (c *context) likeBase(exponent string) string {
	if c.graph.values[exponent].DType == c.DType {
		return exponent
	}
	return c.Cast(exponent, c.DType)
}

// extremeGradient is that of Max or Min of two: the gradient goes to the selected
// input. If both are equal, each gets half, as for torch.maximum.
func extremeGradient(c *context, beats string) {
	if len(c.node.Input) != 2 {
		c.fail("has %d inputs, but the rule is for two", len(c.node.Input))
		return
	}
	half := c.Op("Where", c.Op("Equal", c.in(0), c.in(1)), c.Op("Mul", c.dy, c.Scalar(0.5)), c.Scalar(0))
	c.each(func(i int) string { return c.Op("Where", c.Op(beats, c.in(i), c.in(1-i)), c.dy, half) })
}
