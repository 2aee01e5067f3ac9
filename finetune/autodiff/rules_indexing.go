package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// Ops that take a part of their input, or pad it.
var indexRules = map[string]rule{
	"Slice":  {backward: sliceGradient},
	"Pad":    {backward: padGradient},
	"Gather": {backward: gatherGradient},
	"GatherElements": {backward: func(c *context) {
		axis := c.axis(0, len(c.shape(c.in(0))))
		c.give(0, c.With("ScatterElements", []string{c.Filled(c.shape(c.in(0)), 0), c.in(1), c.dy},
			onnx.Int("axis", axis), onnx.String("reduction", "add")))
	}},
	"ScatterND": {backward: scatterGradient},
}

// sliceGradient pads dy with zeros, one axis after the other: it first reverses a
// negative step, and fills the gaps of a step above 1.
func sliceGradient(c *context) {
	in, sizes := c.shape(c.in(0)), slices.Clone(c.shape(c.out(0)))
	starts, _ := c.constantInput(1)
	axes, ok := c.constantInput(3)
	if !ok {
		axes = axesFrom(0, len(starts))
	}
	steps, ok := c.constantInput(4)
	if !ok {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if c.err != nil {
		return
	}
	dx := c.dy
	before, after := make([]int64, len(in)), make([]int64, len(in))
	for i, axis := range axes {
		axis = fromFront(axis, len(in))
		n, size, step := sizes[axis], in[axis], steps[i]
		first := fromFront(starts[i], int(size))
		if step < 0 {
			first = min(first, size-1) + (n-1)*step // the lowest index taken
			dx = c.slice(dx, []int64{axis}, []int64{-1}, []int64{-size - 1}, []int64{-1})
			step = -step
		}
		first = min(max(first, 0), size)
		span := (n-1)*step + 1
		if step > 1 {
			split := slices.Insert(slices.Clone(sizes), int(axis)+1, 1)
			gaps := make([]int64, len(split))
			gaps[axis+1] = step - 1
			sizes[axis] = n * step
			dx = c.reshape(c.pad(c.reshape(dx, split...), make([]int64, len(split)), gaps), sizes...)
			dx = c.slice(dx, []int64{axis}, []int64{0}, []int64{span}, []int64{1})
			sizes[axis] = span
		}
		before[axis], after[axis] = first, size-first-span
	}
	c.give(0, c.pad(dx, before, after))
}

// padGradient removes the padding, and adds zeros where Pad cropped.
func padGradient(c *context) {
	if mode := c.text("mode", "constant"); mode != "constant" {
		c.fail("mode %q has no rule, only \"constant\" has one: extend padGradient in "+
			"finetune/autodiff/rules_indexing.go", mode)
		return
	}
	rank := len(c.shape(c.in(0)))
	pads, _ := c.constantInput(1)
	axes, ok := c.constantInput(3)
	if !ok {
		axes = axesFrom(0, rank)
	}
	if c.err != nil {
		return
	}
	before, after := make([]int64, rank), make([]int64, rank)
	for i, axis := range axes {
		axis = fromFront(axis, rank)
		before[axis], after[axis] = -pads[i], -pads[len(axes)+i]
	}
	c.give(0, c.pad(c.dy, before, after))
}

// scatterGradient: the updates get dy where they were written, the data gets the rest.
// Positions that are written twice have no gradient without a reduction, because ONNX
// does not say which update stays.
func scatterGradient(c *context) {
	data, indices := c.dy, c.in(1)
	switch reduction := c.text("reduction", "none"); reduction {
	case "add":
	case "none":
		if c.needs(0) {
			data = c.Op("ScatterND", c.dy, indices, c.Filled(c.shape(c.in(2)), 0))
		}
	default:
		c.fail("reduction %q has no rule: extend scatterGradient in finetune/autodiff/rules_indexing.go", reduction)
	}
	c.give(0, data)
	if c.needs(2) {
		c.give(2, c.Op("GatherND", c.dy, indices))
	}
}

// gatherGradient writes dy to the gathered positions. For one index that is padding
// with zeros; for several, ScatterND adds them up along the first axis.
func gatherGradient(c *context) {
	in, indices := c.shape(c.in(0)), c.shape(c.in(1))
	axis := c.axis(0, len(in))
	if index, ok := c.graph.integers(c.in(1)); ok && len(index) == 1 {
		first := fromFront(index[0], int(in[axis]))
		one := slices.Clone(in)
		one[axis] = 1
		before, after := make([]int64, len(in)), make([]int64, len(in))
		before[axis], after[axis] = first, in[axis]-first-1
		c.give(0, c.pad(c.reshape(c.dy, one...), before, after))
		return
	}
	// dy has shape in[:axis] + indices + in[axis+1:]; bring the axis of x, and
	// all axes of the indices as one, to the front.
	count := product(indices)
	rows := c.reshape(c.dy, slices.Concat(in[:axis], []int64{count}, in[axis+1:])...)
	front := slices.Concat([]int64{axis}, axesFrom(0, int(axis)), axesFrom(int(axis)+1, len(in)))
	rows = c.transpose(rows, front...)
	moved := slices.Concat(in[axis:axis+1], in[:axis], in[axis+1:])
	list := c.reshape(c.in(1), count, 1)
	list = c.Op("Where", c.Op("Less", list, c.Int(0)), c.Op("Add", list, c.Int(in[axis])), list)
	sum := c.With("ScatterND", []string{c.Filled(moved, 0), list, rows}, onnx.String("reduction", "add"))
	back := make([]int64, len(in))
	for i, p := range front {
		back[p] = int64(i)
	}
	c.give(0, c.transpose(sum, back...))
}
