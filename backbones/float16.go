package backbones

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"fx/internal/fail"
	"fx/internal/float16"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Half precision of a frozen network: weights and activations are float16, as
// after torch's Module.half(), which halves a GPU's memory traffic and computes
// products on its tensor cores. These stay float32:
//
//   - pixels up to the first product, so that normalisation rounds once;
//   - sums over many values and ops that overflow or lose small values in half
//     precision (means, norms, exponentials, powers), whose results stay float32
//     until an op needs float16;
//   - the features.
//
// Batch normalization is folded into convolutions before weights are rounded.

// productOps start float16: matrix products, on tensor cores.
var productOps = opSet("Conv", "ConvTranspose", "Gemm", "MatMul")

// halfOps are computed in float16. They include Softmax and LayerNormalization,
// because CUDA's kernels sum in float32 internally.
var halfOps = opSet("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "LayerNormalization", "Softmax",
	"AveragePool",
	"Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Erf", "PRelu", "LeakyRelu", "Elu", "Div")

// keepOps choose among values, move them or add a few: they are computed in the type of
// their inputs, or in float16 if the types are mixed.
var keepOps = opSet("Add", "Sub", "Mul", "Neg", "Abs", "Sum", "Max", "Min", "Relu", "Clip", "MaxPool",
	"GlobalMaxPool", "Where", "Identity",
	"Concat", "Split", "Slice", "Gather", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Pad",
	"DepthToSpace", "SpaceToDepth")

// All other ops are computed in float32. Outputs of ops without an entry in outputType
// have their first input's type; if that is wrong, ONNX Runtime refuses the model.

func opSet(names ...string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, n := range names {
		all[n] = true
	}
	return all
}

const (
	full = pb.TensorProto_FLOAT
	half = pb.TensorProto_FLOAT16
)

// Float16 returns the model m of Features in half precision: uint8 images in, float32
// features out, and float16 between them as far as possible. m is unchanged. Errors, of
// kind fail.Model: a weight outside float16's range, and unsupported nodes (quantised
// values, subgraphs, ops that are not ONNX's own).
func Float16(m *pb.ModelProto) (*pb.ModelProto, error) {
	f := onnx.Clone(m)
	err := toFloat16(f)
	return f, fail.Wrap(fail.Model, err, "Use --precision float32 for this network.", "%s in float16", m.Graph.Name)
}

func toFloat16(m *pb.ModelProto) error {
	g := m.Graph
	if err := foldBatchNorm(g); err != nil {
		return err
	}
	c := &halving{
		build: onnx.NewBuilder(g, ownPrefix), index: onnx.NewIndex(g), types: map[string]pb.TensorProto_DataType{},
		constant: map[string]bool{}, pixels: map[string]bool{}, made: map[typed]string{},
	}
	for _, in := range g.Input {
		dtype, _, _ := onnx.Shape(in)
		c.types[in.Name], c.pixels[in.Name] = dtype, true
	}
	for _, t := range g.Initializer {
		c.types[t.Name], c.constant[t.Name] = t.DataType, true
		c.pixels[t.Name] = false
	}
	for _, n := range g.Node {
		if err := c.node(n); err != nil {
			return fmt.Errorf("node %q (%s): %w", n.Name, n.OpType, err)
		}
	}
	c.widenOutputs(g)
	g.Node, g.ValueInfo = c.nodes, nil // its types are no longer valid
	onnx.Prune(g)
	return nil
}

// halving rewrites a graph node by node.
type halving struct {
	build    *onnx.Builder
	index    *onnx.Index // of the graph as it was
	types    map[string]pb.TensorProto_DataType
	constant map[string]bool  // values that depend on no input
	pixels   map[string]bool  // values before the first product
	made     map[typed]string // values in another type
	nodes    []*pb.NodeProto  // written so far
}

type typed struct {
	value string
	dtype pb.TensorProto_DataType
}

// node writes n in the type of its computation.
func (c *halving) node(n *pb.NodeProto) error {
	if n.Domain != "" && n.Domain != "ai.onnx" || len(onnx.Subgraphs(n)) > 0 || quantised[n.OpType] {
		return fmt.Errorf("fx does not support it in half precision")
	}
	constant, pixels := true, !productOps[n.OpType]
	whole, halved := false, false // among values that depend on the input
	for _, in := range onnx.Uses(n) {
		if c.constant[in] {
			continue
		}
		constant = false
		pixels = pixels && c.pixels[in]
		whole, halved = whole || c.types[in] == full, halved || c.types[in] == half
	}
	to := full
	switch {
	case constant, pixels:
		to = 0 // as it is
	case n.OpType == "Cast":
		to = 0
	case halfOps[n.OpType], keepOps[n.OpType] && halved:
		to = half
	}
	if n.OpType == "BatchNormalization" && to == half {
		if err := c.standardise(n); err != nil {
			return err
		}
	}
	if to != 0 && (whole || halved) {
		for i, in := range n.Input {
			if t := c.types[in]; in != "" && (t == full || t == half) {
				var err error
				if n.Input[i], err = c.as(in, to); err != nil {
					return err
				}
			}
		}
	}
	for i, out := range n.Output {
		c.types[out], c.constant[out], c.pixels[out] = c.outputType(n, i), constant, pixels && !constant
	}
	c.nodes = append(c.nodes, n)
	return nil
}

// quantised ops come with integer weights, which are smaller than float16's.
var quantised = opSet("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul",
	"ConvInteger", "MatMulInteger")

// as returns the value in a type: it converts a constant once, and casts other values.
func (c *halving) as(value string, to pb.TensorProto_DataType) (string, error) {
	if c.types[value] == to {
		return value, nil
	}
	key := typed{value, to}
	if name := c.made[key]; name != "" {
		return name, nil
	}
	name := ""
	t, err := c.constantTensor(value)
	if err != nil {
		return "", err
	}
	if t != nil && to == half && t.DataType == full {
		converted, err := halfTensor(value, t)
		if err != nil {
			return "", err
		}
		name = c.build.Constant(converted)
	} else {
		name = c.build.Fresh(value + "/" + map[pb.TensorProto_DataType]string{full: "float32", half: "float16"}[to])
		c.cast(value, name, to)
	}
	c.made[key] = name
	c.types[name], c.constant[name] = to, c.constant[value]
	return name, nil
}

// constantTensor returns a constant, or the transpose of one as a weight of a MatMul is; nil for another value.
func (c *halving) constantTensor(value string) (*pb.TensorProto, error) {
	if t := c.index.Constant(value); t != nil {
		return t, nil
	}
	n := c.index.Producer(value)
	if n == nil || n.OpType != "Transpose" {
		return nil, nil
	}
	t := c.index.Constant(n.Input[0])
	if t == nil || t.DataType != full || len(t.Dims) != 2 {
		return nil, nil
	}
	values, err := onnx.Float32s(t)
	if err != nil {
		return nil, err
	}
	rows, columns := int(t.Dims[0]), int(t.Dims[1])
	turned := make([]float32, len(values))
	for r := range rows {
		for k := range columns {
			turned[k*rows+r] = values[r*columns+k]
		}
	}
	return onnx.NewFloat32(value, []int64{t.Dims[1], t.Dims[0]}, turned), nil
}

func (c *halving) cast(from, to string, dtype pb.TensorProto_DataType) {
	c.nodes = append(c.nodes, &pb.NodeProto{
		Name: to + "/cast", OpType: "Cast", Input: []string{from}, Output: []string{to},
		Attribute: []*pb.AttributeProto{onnx.Int("to", int64(dtype))},
	})
}

// halfTensor rounds a float32 constant to the nearest float16.
func halfTensor(name string, t *pb.TensorProto) (*pb.TensorProto, error) {
	values, err := onnx.Float32s(t)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 2*len(values))
	for i, v := range values {
		if math.Abs(float64(v)) > float16.Max {
			return nil, fmt.Errorf("value %d of %q is %v, above float16's %d", i, name, v, float16.Max)
		}
		binary.LittleEndian.PutUint16(raw[2*i:], float16.Bits(v))
	}
	return onnx.NewRaw(name+"/float16", half, t.Dims, raw), nil
}

// standardise rewrites a batch normalization equivalently with mean 0 and variance 1,
// because a variance may be outside float16's range.
func (c *halving) standardise(n *pb.NodeProto) error {
	var values [4][]float32 // scale, shift, mean, variance
	for i := range values {
		t := c.index.Constant(n.Input[1+i])
		if t == nil {
			return fmt.Errorf("its %q is not a constant", n.Input[1+i])
		}
		var err error
		if values[i], err = onnx.Float32s(t); err != nil {
			return err
		}
		if len(values[i]) != len(values[0]) {
			return fmt.Errorf("its parameters have %d and %d values", len(values[0]), len(values[i]))
		}
	}
	epsilon := 1e-5 // ONNX's default
	if a := onnx.Attribute(n, "epsilon"); a != nil {
		epsilon = float64(a.F)
	}
	scale, shift, mean, variance := values[0], values[1], values[2], values[3]
	var parts [4][]float32
	for i := range parts {
		parts[i] = make([]float32, len(scale))
	}
	for i := range scale {
		factor := float64(scale[i]) / math.Sqrt(float64(variance[i])+epsilon)
		parts[0][i] = float32(factor * math.Sqrt(1+epsilon)) // the op divides by this
		parts[1][i] = float32(float64(shift[i]) - float64(mean[i])*factor)
		parts[3][i] = 1
	}
	n.Input = slices.Clone(n.Input)
	for i, part := range parts {
		t, err := halfTensor(n.Input[1+i], onnx.NewFloat32("", []int64{int64(len(part))}, part))
		if err != nil {
			return err
		}
		n.Input[1+i] = c.build.Constant(t)
		c.types[n.Input[1+i]], c.constant[n.Input[1+i]] = half, true
	}
	return nil
}

// outputType returns the type of an output of n, whose inputs have their final types.
func (c *halving) outputType(n *pb.NodeProto, i int) pb.TensorProto_DataType {
	of := func(input int) pb.TensorProto_DataType {
		if input < len(n.Input) {
			return c.types[n.Input[input]]
		}
		return 0
	}
	switch n.OpType {
	case "Cast":
		return pb.TensorProto_DataType(onnx.IntAttribute(n, "to", 0))
	case "Shape", "Size", "ArgMax", "ArgMin", "NonZero":
		return pb.TensorProto_INT64
	case "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor", "IsNaN", "IsInf":
		return pb.TensorProto_BOOL
	case "MaxPool", "TopK":
		if i == 1 { // the indices
			return pb.TensorProto_INT64
		}
	case "Where", "CastLike":
		return of(1)
	case "Constant":
		return c.index.Constant(n.Output[0]).GetDataType()
	case "ConstantOfShape":
		if a := onnx.Attribute(n, "value"); a != nil {
			return a.T.GetDataType()
		}
		return full
	}
	return of(0)
}

// widenOutputs casts the graph's outputs to float32.
func (c *halving) widenOutputs(g *pb.GraphProto) {
	for _, out := range g.Output {
		if c.types[out.Name] != half {
			continue
		}
		narrow := c.build.Fresh(out.Name + "/float16")
		for _, n := range c.nodes {
			for _, names := range [][]string{n.Input, n.Output} {
				for i, name := range names {
					if name == out.Name {
						names[i] = narrow
					}
				}
			}
		}
		c.cast(narrow, out.Name, full)
	}
}
