package autodiff

import (
	"slices"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// kernelRules are the rules for which package kernels is faster on the CPU.
var kernelRules map[string]kernelRule

func init() { // avoids an initialization cycle through the walker
	kernelRules = map[string]kernelRule{
		"MaxPool": {
			fits: func(c *context) bool {
				w := c.window(nil)
				indices := c.out(1) // the kernel has no indices
				return len(w.in) == 2 && product(w.kernel) <= 256 && indices == ""
			},
			rule: rule{forward: kernelMaxPoolForward, backward: kernelMaxPoolGradient},
		},
		"AveragePool": {
			fits: func(c *context) bool { w := c.window(nil); return len(w.in) == 2 && !w.plain() },
			rule: rule{backward: kernelAveragePoolGradient},
		},
		"BatchNormalization": {
			fits: func(c *context) bool { return !c.graph.frozenBatchNorm && !c.computedStatistics() },
			rule: rule{forward: kernelBatchNormForward, backward: kernelBatchNormGradient},
		},
		"Conv": {
			fits: func(c *context) bool { return len(c.shape(c.in(0))) == 4 },
			rule: rule{forward: kernelConvForward, backward: kernelConvGradient},
		},
	}
	for _, op := range []string{"Relu", "Clip", "HardSigmoid", "HardSwish", "Swish", "Gelu"} {
		kernelRules[op] = kernelRule{
			fits: func(c *context) bool { _, ok := c.graph.activation(c.node); return ok },
			rule: rule{forward: kernelActivationForward, backward: kernelActivationGradient},
		}
	}
}

// windowAttributes returns the attributes of a kernel over a window.
func (c *context) windowAttributes(w window) []*attribute {
	return []*attribute{
		onnx.Ints("kernel_shape", w.kernel...), onnx.Ints("strides", w.stride...),
		onnx.Ints("dilations", w.dilation...), onnx.Ints("pads", slices.Concat(w.before, w.after)...),
	}
}

func kernelMaxPoolForward(c *context) {
	w, shape := c.window(nil), c.shape(c.out(0))
	outputs := c.Kernel("MaxPool", []string{c.in(0)},
		[]Tensor{floats(shape...), {DType: pb.TensorProto_UINT8, Shape: shape}},
		append(c.windowAttributes(w), onnx.Ints("output_shape", w.out...))...)
	c.rename(outputs[0], c.out(0))
	c.save("taps", outputs[1])
}

func kernelMaxPoolGradient(c *context) {
	w := c.window(nil)
	c.give(0, c.Kernel("MaxPoolGrad", []string{c.dy, c.load("taps")}, []Tensor{floats(c.shape(c.in(0))...)},
		append(c.windowAttributes(w), onnx.Ints("input_shape", w.in...))...)[0])
}

func kernelAveragePoolGradient(c *context) {
	w := c.window(nil)
	share := c.Op("Div", c.dy, c.windowCounts(w))
	c.give(0, c.Kernel("SumPoolGrad", []string{share}, []Tensor{floats(c.shape(c.in(0))...)},
		append(c.windowAttributes(w), onnx.Ints("input_shape", w.in...))...)[0])
}

// kernelBatchNormForward also computes the following activation, if nothing else reads
// the value between them.
func kernelBatchNormForward(c *context) {
	shape := c.shape(c.in(0))
	if product(shape)/shape[1] < 2 {
		batchNormForward(c) // returns the error
		return
	}
	result := c.out(0)
	next, following := c.graph.nextActivation(c.node)
	if next != nil {
		c.graph.absorbed[next] = absorbedWithGradient
		result = next.Output[0]
	}
	channels := floats(shape[1])
	momentum := c.float("momentum", 0.9)
	outputs := c.Kernel("BatchNorm", c.node.Input, []Tensor{floats(shape...), channels, channels, channels, channels},
		append(following.attributes(), onnx.Float("epsilon", float32(c.float("epsilon", 1e-5))),
			onnx.Float("momentum", float32(momentum)))...)
	node := c.Build.Graph.Node[len(c.Build.Graph.Node)-1]
	c.rename(outputs[0], result)
	c.save("mean", outputs[1])
	c.save("inverse", outputs[2])
	for i := range 2 { // the second use of a layer updates the statistics of the first
		c.graph.statistic(c.in(3+i), func(old string) string {
			node.Input[3+i] = old
			return outputs[3+i]
		})
	}
}

func kernelBatchNormGradient(c *context) {
	inputs := []string{c.dy, c.in(0), c.in(1), c.in(2), c.load("mean"), c.load("inverse")}
	shape := c.shape(c.in(0))
	outputs := []Tensor{{}, floats(shape[1]), floats(shape[1])}
	if c.needs(0) {
		outputs[0] = floats(shape...)
	}
	_, following := c.graph.nextActivation(c.node)
	given := c.Kernel("BatchNormGrad", inputs, outputs, following.attributes()...)
	for i, gradient := range given {
		if c.needs(i) {
			c.give(i, gradient)
		}
	}
}

// kernelConvForward uses Winograd's algorithm if it applies, and then computes the following Relu too.
func kernelConvForward(c *context) {
	v, ok := c.conv()
	output := []Tensor{floats(c.shape(c.out(0))...)}
	switch {
	case ok && v.winograd():
		result, relu := c.out(0), int64(0)
		if next, following := c.graph.nextActivation(c.node); following.kind == kernels.Relu {
			c.graph.absorbed[next] = absorbed
			result, relu = next.Output[0], 1
		}
		made := c.Kernel("Conv3x3", c.node.Input, output,
			onnx.Ints("pads", append(slices.Clone(v.before), v.after...)...), onnx.Int("group", v.groups),
			onnx.Int("relu", relu))
		c.rename(made[0], result)
	case ok && v.depthwise():
		made := c.Kernel("DepthwiseConv", c.node.Input, output,
			append(c.windowAttributes(v.window), onnx.Ints("output_shape", v.out...))...)
		c.rename(made[0], c.out(0))
	default:
		c.Build.Graph.Node = append(c.Build.Graph.Node, c.node)
	}
}

// depthwise reports whether the kernel DepthwiseConv supports this convolution.
func (v conv) depthwise() bool {
	return v.groups == v.inputs && v.groups == v.outputs && product(v.kernel) <= 256
}

// winograd reports whether the kernel Conv3x3 supports this convolution.
func (v conv) winograd() bool {
	simple := (v.groups == 1 || min(v.inputs, v.outputs)/v.groups >= kernels.LeastGroup) &&
		slices.Equal(v.kernel, []int64{3, 3}) && product(v.stride) == 1 && product(v.dilation) == 1
	for i := range v.in {
		simple = simple && v.before[i] <= 2 && v.out[i] == v.in[i]+v.before[i]+v.after[i]-2
	}
	return simple
}

func kernelConvGradient(c *context) {
	v, ok := c.conv()
	if !ok {
		return
	}
	if c.needs(1) {
		outputs := []Tensor{floats(c.shape(c.in(1))...), {}}
		if c.needs(2) {
			outputs[1] = floats(v.outputs)
		}
		given := c.Kernel("ConvWeightGrad", []string{c.dy, c.in(0)}, outputs,
			append(c.windowAttributes(v.window), onnx.Int("group", v.groups))...)
		c.give(1, given[0])
		c.give(2, given[1])
	} else if c.needs(2) {
		c.give(2, c.sum(c.dy, false, statisticAxes(c.shape(c.in(0)))...))
	}
	switch {
	case !c.needs(0):
	case v.winograd():
		c.give(0, c.Kernel("Conv3x3", []string{c.dy, c.in(1)}, []Tensor{floats(c.shape(c.in(0))...)},
			onnx.Ints("pads", 2-v.before[0], 2-v.before[1], 2-v.after[0], 2-v.after[1]),
			onnx.Int("group", v.groups), onnx.Int("transposed", 1))[0])
	case v.depthwise():
		c.give(0, c.Kernel("DepthwiseConv", []string{c.dy, c.in(1)}, []Tensor{floats(c.shape(c.in(0))...)},
			append(c.windowAttributes(v.window), onnx.Ints("output_shape", v.in...), onnx.Int("transposed", 1))...)[0])
	default:
		c.give(0, c.convDataGradient(v))
	}
}
