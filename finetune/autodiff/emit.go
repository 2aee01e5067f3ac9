package autodiff

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Tensor is the type and shape of a value.
type Tensor struct {
	DType pb.TensorProto_DataType
	Shape []int64 // every size is fixed

	// Integers are the values of an int64 output of a model without inputs, see
	// Probe; nil for all others.
	Integers []int64
}

func (t Tensor) float() bool {
	switch t.DType {
	case pb.TensorProto_FLOAT, pb.TensorProto_DOUBLE, pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16:
		return true
	}
	return false
}

// Emitter appends nodes to a graph and returns the names of their outputs. Nodes are
// named after their scope, so that a profile shows the layer that they belong to.
// Equal constants are stored once.
type Emitter struct {
	Build *onnx.Builder

	// DType is the element type of the constants of Scalar and Tensor.
	DType pb.TensorProto_DataType

	scope     string
	constants map[string]string
	described []*pb.ValueInfoProto // outputs of kernels
}

// NewEmitter returns an Emitter for a graph, with constants of type FLOAT.
func NewEmitter(g *pb.GraphProto) *Emitter {
	return &Emitter{Build: onnx.NewBuilder(g, ""), DType: pb.TensorProto_FLOAT, constants: map[string]string{}}
}

// Op adds a node with one output.
func (e *Emitter) Op(op string, inputs ...string) string { return e.With(op, inputs) }

// With adds a node with one output and attributes.
func (e *Emitter) With(op string, inputs []string, attributes ...*pb.AttributeProto) string {
	return e.Outputs(op, 1, inputs, attributes...)[0]
}

// Outputs adds a node with n outputs and attributes.
func (e *Emitter) Outputs(op string, n int, inputs []string, attributes ...*pb.AttributeProto) []string {
	if output, done := e.fallback(op, inputs, attributes); done {
		return []string{output}
	}
	node := &pb.NodeProto{OpType: op, Input: slices.Clone(inputs), Attribute: attributes}
	for range n {
		node.Output = append(node.Output, e.Build.Fresh(e.scope+op))
	}
	node.Name = node.Output[0]
	e.Build.Graph.Node = append(e.Build.Graph.Node, node)
	return node.Output
}

// Scope sets the name of the following nodes' scope; it returns the previous one.
func (e *Emitter) Scope(name string) (before string) {
	before = e.scope
	e.scope = name
	return before
}

// Ints returns a list of integers, such as axes or a shape.
func (e *Emitter) Ints(values ...int64) string {
	return e.constant(onnx.NewInt64("ints", []int64{int64(len(values))}, values))
}

// Int returns an integer scalar.
func (e *Emitter) Int(value int64) string {
	return e.constant(onnx.NewInt64("int", nil, []int64{value}))
}

// Scalar returns a scalar of the emitter's DType.
func (e *Emitter) Scalar(value float64) string { return e.Tensor(nil, value) }

// Tensor returns an array of the emitter's DType, row-major.
func (e *Emitter) Tensor(shape []int64, values ...float64) string {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = appendFloat(raw, e.DType, v)
	}
	return e.constant(onnx.NewRaw("number", e.DType, shape, raw))
}

// Filled returns an array of one value, which ONNX Runtime folds when the session starts.
func (e *Emitter) Filled(shape []int64, value float64) string {
	raw := appendFloat(nil, e.DType, value)
	return e.With("ConstantOfShape", []string{e.Ints(shape...)},
		onnx.TensorAttribute("value", onnx.NewRaw("", e.DType, []int64{1}, raw)))
}

func (e *Emitter) constant(t *pb.TensorProto) string {
	key := fmt.Sprint(t.DataType, t.Dims, string(t.RawData))
	if name, ok := e.constants[key]; ok {
		return name
	}
	name := e.Build.Constant(t)
	e.constants[key] = name
	return name
}

func appendFloat(raw []byte, dtype pb.TensorProto_DataType, v float64) []byte {
	switch dtype {
	case pb.TensorProto_DOUBLE:
		return binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	case pb.TensorProto_FLOAT16:
		return binary.LittleEndian.AppendUint16(raw, float16Bits(v))
	case pb.TensorProto_BFLOAT16:
		b := math.Float32bits(float32(v))
		return binary.LittleEndian.AppendUint16(raw, uint16((b+0x7fff+(b>>16&1))>>16)) // nearest even
	}
	return binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v)))
}

// float16Bits rounds v to the nearest IEEE 754 binary16, ties to even; values that
// are too large become infinite.
func float16Bits(v float64) uint16 {
	sign := uint16(0)
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	const smallest = 1.0 / (1 << 24) // subnormal numbers are its multiples
	switch {
	case math.IsNaN(v):
		return 0x7e00
	case v >= 65520:
		return sign | 0x7c00
	case v < 1.0/(1<<14):
		return sign | uint16(math.RoundToEven(v/smallest))
	}
	fraction, exponent := math.Frexp(v) // v = fraction · 2^exponent, fraction in [0.5, 1)
	return sign | uint16((exponent+13)<<10) + uint16(math.RoundToEven(fraction*2048))
}

// Small helpers of the rules, in the emitter's terms.

func (e *Emitter) reshape(x string, shape ...int64) string {
	return e.Op("Reshape", x, e.Ints(shape...))
}

func (e *Emitter) transpose(x string, perm ...int64) string {
	if slices.IsSorted(perm) {
		return x
	}
	return e.With("Transpose", []string{x}, onnx.Ints("perm", perm...))
}

// sum sums over axes, which keep size 1 if keep is set.
func (e *Emitter) sum(x string, keep bool, axes ...int64) string {
	return e.reduce("ReduceSum", x, keep, axes...)
}

func (e *Emitter) reduce(op, x string, keep bool, axes ...int64) string {
	keepdims := int64(0)
	if keep {
		keepdims = 1
	}
	return e.With(op, []string{x, e.Ints(axes...)}, onnx.Int("keepdims", keepdims))
}

// slice takes starts:ends:steps of the axes. The caller omits axes that are taken
// whole.
func (e *Emitter) slice(x string, axes, starts, ends, steps []int64) string {
	if len(axes) == 0 {
		return x
	}
	inputs := []string{x, e.Ints(starts...), e.Ints(ends...), e.Ints(axes...)}
	if slices.ContainsFunc(steps, func(s int64) bool { return s != 1 }) {
		inputs = append(inputs, e.Ints(steps...))
	}
	return e.Op("Slice", inputs...)
}

// pad pads every axis with zeros, before and after; negative numbers crop.
func (e *Emitter) pad(x string, before, after []int64) string {
	zero := func(v int64) bool { return v == 0 }
	pads := slices.Concat(before, after)
	if !slices.ContainsFunc(pads, func(v int64) bool { return !zero(v) }) {
		return x
	}
	return e.Op("Pad", x, e.Ints(pads...))
}

// sumTo undoes broadcasting: it sums x, of shape from, to shape to.
func (e *Emitter) sumTo(x string, from, to []int64) string {
	if slices.Equal(from, to) {
		return x
	}
	extra := len(from) - len(to)
	var axes []int64
	for i := range from {
		if i < extra || to[i-extra] == 1 && from[i] != 1 {
			axes = append(axes, int64(i))
		}
	}
	if len(axes) > 0 {
		x = e.sum(x, extra == 0, axes...)
	}
	if extra > 0 && len(axes) > extra { // sizes of 1 inside were dropped with the leading axes
		x = e.reshape(x, to...)
	}
	return x
}

func product(sizes []int64) int64 {
	p := int64(1)
	for _, s := range sizes {
		p *= s
	}
	return p
}

// axesFrom returns first … last-1.
func axesFrom(first, last int) []int64 {
	var axes []int64
	for i := first; i < last; i++ {
		axes = append(axes, int64(i))
	}
	return axes
}
