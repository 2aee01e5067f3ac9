package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// Normalization by statistics of the batch or of one sample.
var normalizationRules = map[string]rule{
	"BatchNormalization": {forward: batchNormForward, backward: batchNormGradient},
	"LayerNormalization": {
		forward: func(c *context) {
			outputs := c.keep(3)
			c.save("mean", outputs[1])
			c.save("inverse", outputs[2]) // 1/√(variance + ε)
		},
		backward: layerNormGradient,
	},
	"InstanceNormalization": {backward: func(c *context) { groupNormGradient(c, c.shape(c.in(0))[1]) }},
	"GroupNormalization":    {backward: func(c *context) { groupNormGradient(c, c.integer("num_groups", 1)) }},
}

// computedStatistics reports whether nodes of the graph compute a BatchNormalization's
// mean and variance, as those of standardized weights. Then nothing is running.
func (c *context) computedStatistics() bool { return c.graph.index.Producer(c.in(4)) != nil }

// batchNormForward computes the statistics of the batch with separate ops, because the
// CUDA provider refuses training_mode (onnxruntime issue 16867). It centres the input
// before squaring: a difference of mean squares would lose all digits if a channel's
// mean is large compared with its standard deviation. The inference op then does scale
// and shift in one pass.
func batchNormForward(c *context) {
	x, scale, bias, mean, variance := c.in(0), c.in(1), c.in(2), c.in(3), c.in(4)
	epsilon := onnx.Float("epsilon", float32(c.float("epsilon", 1e-5)))
	if c.graph.frozenBatchNorm || c.computedStatistics() {
		c.replace("BatchNormalization", []string{x, scale, bias, mean, variance}, epsilon)
		return
	}
	shape := c.shape(x)
	channels, count := shape[1], float64(product(shape)/shape[1])
	if count < 2 {
		c.fail("batch statistics need more than one value per channel, but the input has shape %v; use a larger batch "+
			"or --frozen-bn", shape)
		return
	}
	axes := statisticAxes(shape)
	batchMean := c.reduce("ReduceMean", x, true, axes...)
	centred := c.Op("Sub", x, batchMean)
	// Row by row first: one long sum of squares loses a digit or two in ONNX Runtime.
	rest := axes[:len(axes)-1]
	squares := c.reduce("ReduceSumSquare", centred, true, axes[len(rest)])
	if len(rest) > 0 {
		squares = c.sum(squares, true, rest...)
	}
	batchVariance := c.Op("Div", squares, c.Scalar(count)) // a quotient is exact, 1/count as a float is not
	c.replace("BatchNormalization", []string{centred, scale, bias, c.Filled([]int64{channels}, 0),
		c.reshape(batchVariance, channels)}, epsilon)
	c.save("centred", centred)
	c.save("variance", batchVariance)

	momentum := c.float("momentum", 0.9) // of the old value: torch's is 1 - momentum
	update := func(old, fresh string) string {
		return c.Op("Add", c.Op("Mul", old, c.Scalar(momentum)),
			c.Op("Mul", c.reshape(fresh, channels), c.Scalar(1-momentum)))
	}
	c.graph.statistic(mean, func(old string) string { return update(old, batchMean) })
	c.graph.statistic(variance, func(old string) string { // the unbiased variance, as torch keeps it
		return update(old, c.Op("Div", squares, c.Scalar(count-1)))
	})
}

// statisticAxes returns all axes but the channels'.
func statisticAxes(shape []int64) []int64 {
	return slices.Concat([]int64{0}, axesFrom(2, len(shape)))
}

// batchNormGradient: with x centred, inv = 1/√(variance + ε) and n values per
// channel, dscale = inv Σ dy·x, dbias = Σ dy and
// dx = scale inv (dy - dbias/n - x inv dscale/n), which is a·dy + k1·x + k0 with
// numbers per channel. Source: Ioffe and Szegedy, "Batch Normalization", 2015. With a
// given mean and variance, dx = scale inv dy, dmean = -scale inv dbias and
// dvariance = -scale inv² dscale/2.
func batchNormGradient(c *context) {
	shape := c.shape(c.in(0))
	channels, count := shape[1], float64(product(shape)/shape[1])
	axes := statisticAxes(shape)
	perChannel := slices.Repeat([]int64{1}, len(shape))
	perChannel[1] = channels
	flat := func(x string) string { return c.reshape(x, channels) }
	wide := func(x string) string { return c.reshape(x, perChannel...) }

	given := c.graph.frozenBatchNorm || c.computedStatistics()
	var x, variance string
	if given {
		variance = wide(c.in(4))
		if c.needs(1) || c.needs(4) {
			x = c.Op("Sub", c.in(0), wide(c.in(3)))
		}
	} else {
		x, variance = c.load("centred"), c.load("variance")
	}
	inverse := c.Op("Reciprocal", c.Op("Sqrt", c.Op("Add", variance, c.Scalar(c.float("epsilon", 1e-5)))))
	dbias, dscale := "", ""
	if c.needs(2) || c.needs(3) || !given {
		dbias = c.sum(c.dy, true, axes...)
	}
	if c.needs(1) || c.needs(4) || !given {
		dscale = c.Op("Mul", inverse, c.sum(c.Op("Mul", c.dy, x), true, axes...))
	}
	if c.needs(1) {
		c.give(1, flat(dscale))
	}
	if c.needs(2) {
		c.give(2, flat(dbias))
	}
	a := c.Op("Mul", wide(c.in(1)), inverse)
	if c.needs(3) {
		c.give(3, flat(c.Op("Neg", c.Op("Mul", a, dbias))))
	}
	if c.needs(4) {
		c.give(4, flat(c.Op("Mul", c.Op("Mul", a, inverse), c.Op("Mul", dscale, c.Scalar(-0.5)))))
	}
	if !c.needs(0) {
		return
	}
	dx := c.Op("Mul", c.dy, a)
	if !given {
		share := c.Op("Div", a, c.Scalar(-count))
		k1 := c.Op("Mul", share, c.Op("Mul", inverse, dscale))
		k0 := c.Op("Mul", share, dbias)
		dx = c.Op("Add", dx, c.Op("Add", c.Op("Mul", x, k1), k0))
	}
	c.give(0, dx)
}

// layerNormGradient: with x̂ the normalised input and g = dy·scale,
// dx = inv (g - mean g - x̂ mean(g·x̂)), means over the normalised axes.
// Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
func layerNormGradient(c *context) {
	shape := c.shape(c.in(0))
	first := int(c.axis(-1, len(shape)))
	axes := axesFrom(first, len(shape))
	inverse := c.load("inverse")
	normal := c.Op("Mul", c.Op("Sub", c.in(0), c.load("mean")), inverse)
	if c.needs(1) {
		c.give(1, c.sumTo(c.Op("Mul", c.dy, normal), shape, c.shape(c.in(1))))
	}
	if c.needs(2) {
		c.give(2, c.sumTo(c.dy, shape, c.shape(c.in(2))))
	}
	if !c.needs(0) {
		return
	}
	c.give(0, c.standardizedGradient(c.Op("Mul", c.dy, c.in(1)), normal, inverse, axes))
}

// standardizedGradient returns the gradient of values whose standardized ones, normal, have gradient g.
func (c *context) standardizedGradient(g, normal, inverse string, axes []int64) string {
	mean := c.reduce("ReduceMean", g, true, axes...)
	along := c.Op("Mul", normal, c.reduce("ReduceMean", c.Op("Mul", g, normal), true, axes...))
	return c.Op("Mul", c.Op("Sub", c.Op("Sub", g, mean), along), inverse)
}

// groupNormGradient is that of a layer that standardizes each group of channels of a
// sample. scale and bias have a value for each channel, or for each group, as
// GroupNormalization had before opset 21. Source: Wu and He, "Group Normalization", 2018.
func groupNormGradient(c *context, groups int64) {
	shape, numbers := c.shape(c.in(0)), c.shape(c.in(1))
	batch, channels := shape[0], shape[1]
	grouped := []int64{batch, groups, product(shape[1:]) / groups}
	perChannel := []int64{batch, channels, product(shape[2:])}
	scale := c.in(1)
	if numbers[0] != channels {
		scale = c.Op("Expand", c.reshape(scale, 1, groups, 1, 1), c.Ints(1, groups, channels/groups, 1))
	}
	x := c.reshape(c.in(0), grouped...)
	centred := c.Op("Sub", x, c.reduce("ReduceMean", x, true, 2))
	variance := c.Op("Div", c.reduce("ReduceSumSquare", centred, true, 2), c.Scalar(float64(grouped[2])))
	inverse := c.Op("Reciprocal", c.Op("Sqrt", c.Op("Add", variance, c.Scalar(c.float("epsilon", 1e-5)))))
	normal := c.Op("Mul", centred, inverse)
	dy := c.reshape(c.dy, perChannel...)
	perNumber := func(x string) string { // sums x, of shape perChannel, for each scale or bias
		if numbers[0] == channels {
			return c.sum(x, false, 0, 2)
		}
		return c.sum(c.reshape(x, batch, groups, -1), false, 0, 2)
	}
	if c.needs(1) {
		c.give(1, perNumber(c.Op("Mul", dy, c.reshape(normal, perChannel...))))
	}
	if c.needs(2) {
		c.give(2, perNumber(dy))
	}
	if c.needs(0) {
		g := c.reshape(c.Op("Mul", dy, c.reshape(scale, 1, channels, 1)), grouped...)
		c.give(0, c.reshape(c.standardizedGradient(g, normal, inverse, []int64{2}), shape...))
	}
}
