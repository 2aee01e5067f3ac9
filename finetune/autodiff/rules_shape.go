package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// Ops that move values without changing them.
var shapeRules = map[string]rule{
	"Reshape":   {backward: reshapeBack},
	"Flatten":   {backward: reshapeBack},
	"Squeeze":   {backward: reshapeBack},
	"Unsqueeze": {backward: reshapeBack},
	"Transpose": {backward: func(c *context) {
		rank := len(c.shape(c.in(0)))
		perm := c.list("perm", rank, 0)
		if onnx.Attribute(c.node, "perm") == nil {
			perm = axesFrom(0, rank)
			slices.Reverse(perm)
		}
		inverse := make([]int64, rank)
		for i, p := range perm {
			inverse[p] = int64(i)
		}
		c.give(0, c.transpose(c.dy, inverse...))
	}},
	"Tile": {backward: func(c *context) { // repeats[i] copies along axis i
		repeats, _ := c.constantInput(1)
		var split, copies []int64
		for i, size := range c.shape(c.in(0)) {
			if c.err != nil {
				return
			}
			split, copies = append(split, repeats[i], size), append(copies, int64(2*i))
		}
		c.give(0, c.sum(c.reshape(c.dy, split...), false, copies...))
	}},
	"Expand": {broadcasts: true, backward: func(c *context) { c.give(0, c.dy) }},
	"Concat": {backward: func(c *context) {
		axis := c.axis(0, len(c.shape(c.out(0))))
		sizes := make([]int64, len(c.node.Input))
		for i, in := range c.node.Input {
			sizes[i] = c.shape(in)[axis]
		}
		parts := c.Outputs("Split", len(sizes), []string{c.dy, c.Ints(sizes...)}, onnx.Int("axis", axis))
		c.each(func(i int) string { return parts[i] })
	}},
	"Split": {backward: func(c *context) {
		parts := make([]string, len(c.node.Output))
		for i := range parts {
			parts[i] = c.outputGradient(i)
		}
		c.give(0, c.With("Concat", parts, onnx.Int("axis", c.axis(0, len(c.shape(c.in(0)))))))
	}},
}

func reshapeBack(c *context) { c.give(0, c.reshape(c.dy, c.shape(c.in(0))...)) }
