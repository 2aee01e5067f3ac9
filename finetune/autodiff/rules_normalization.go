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
}

// batchNormForward computes the statistics of the batch with separate ops, because the
// CUDA provider refuses training_mode (onnxruntime issue 16867). It centres the input
// before squaring: a difference of mean squares would lose all digits if a channel's
// mean is large compared with its standard deviation. The inference op then does scale
// and shift in one pass.
func batchNormForward(c *context) {
	x, scale, bias, mean, variance := c.in(0), c.in(1), c.in(2), c.in(3), c.in(4)
	epsilon := onnx.Float("epsilon", float32(c.float("epsilon", 1e-5)))
	if c.graph.frozenBatchNorm {
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
// numbers per channel. Source: Ioffe and Szegedy, "Batch Normalization", 2015.
func batchNormGradient(c *context) {
	shape := c.shape(c.in(0))
	channels, count := shape[1], float64(product(shape)/shape[1])
	axes := statisticAxes(shape)
	perChannel := slices.Repeat([]int64{1}, len(shape))
	perChannel[1] = channels
	flat := func(x string) string { return c.reshape(x, channels) }
	wide := func(x string) string { return c.reshape(x, perChannel...) }

	frozen := c.graph.frozenBatchNorm
	var x, variance string
	if frozen {
		variance = wide(c.in(4))
		if c.needs(1) {
			x = c.Op("Sub", c.in(0), wide(c.in(3)))
		}
	} else {
		x, variance = c.load("centred"), c.load("variance")
	}
	inverse := c.Op("Reciprocal", c.Op("Sqrt", c.Op("Add", variance, c.Scalar(c.float("epsilon", 1e-5)))))
	dbias, dscale := "", ""
	if c.needs(2) || !frozen {
		dbias = c.sum(c.dy, true, axes...)
	}
	if c.needs(1) || !frozen {
		dscale = c.Op("Mul", inverse, c.sum(c.Op("Mul", c.dy, x), true, axes...))
	}
	if c.needs(1) {
		c.give(1, flat(dscale))
	}
	if c.needs(2) {
		c.give(2, flat(dbias))
	}
	if !c.needs(0) {
		return
	}
	a := c.Op("Mul", wide(c.in(1)), inverse)
	dx := c.Op("Mul", c.dy, a)
	if !frozen {
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
	g := c.Op("Mul", c.dy, c.in(1))
	mean := c.reduce("ReduceMean", g, true, axes...)
	along := c.Op("Mul", normal, c.reduce("ReduceMean", c.Op("Mul", g, normal), true, axes...))
	c.give(0, c.Op("Mul", c.Op("Sub", c.Op("Sub", g, mean), along), inverse))
}
