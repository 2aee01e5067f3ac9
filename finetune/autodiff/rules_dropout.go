package autodiff

import "fx/internal/onnx"

// Dropout: the random numbers are inputs.
var dropoutRules = map[string]rule{
	"Dropout": {forward: dropoutForward, backward: func(c *context) {
		if mask, ok := c.graph.saved[savedKey{c.node, "mask"}]; ok {
			c.give(0, c.Op("Mul", c.dy, mask))
		} else {
			c.give(0, c.dy)
		}
	}},
}

func dropoutForward(c *context) {
	ratio := 0.5 // the op's default
	if c.in(1) != "" {
		t := c.graph.index.Constant(c.in(1))
		if t == nil {
			c.fail("the ratio %q is not a constant", c.in(1))
			return
		}
		v, err := onnx.Float32s(t)
		if err != nil || len(v) != 1 {
			c.fail("the ratio %q is not a number", c.in(1))
			return
		}
		ratio = float64(v[0])
	}
	if ratio <= 0 {
		c.replace("Identity", c.node.Input[:1])
		return
	}
	if ratio >= 1 {
		c.fail("a ratio of %g keeps nothing", ratio)
		return
	}
	mask := c.graph.noise(c.out(0)+"/mask", Noise{Shape: c.shape(c.in(0)), Drop: ratio})
	c.replace("Mul", []string{c.in(0), mask})
	c.save("mask", mask)
}

// forwardOnly writes ops without gradient that have another form in training.
var forwardOnly = map[string]func(c *context){
	// Random numbers, for example of stochastic depth, become an input.
	"RandomUniformLike": func(c *context) {
		noise := c.graph.noise(c.out(0)+"/uniform", Noise{
			Shape: c.shape(c.in(0)), Low: c.float("low", 0), High: c.float("high", 1),
		})
		c.replace("Identity", []string{noise})
	},
}
