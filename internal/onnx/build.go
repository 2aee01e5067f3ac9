package onnx

import (
	"fmt"

	"fx/internal/onnx/pb"
)

// Builder adds nodes and constants to a graph under fresh names. Nodes are
// appended, so values must be made before they are used.
type Builder struct {
	Graph  *pb.GraphProto
	prefix string
	used   map[string]bool
}

// NewBuilder returns a Builder on g. Its names start with prefix, which may be empty, and differ from all names in g.
func NewBuilder(g *pb.GraphProto, prefix string) *Builder {
	return &Builder{Graph: g, prefix: prefix, used: definedNames(g)}
}

// Fresh returns an unused name, made from hint, and reserves it.
func (b *Builder) Fresh(hint string) string {
	name := b.prefix + hint
	for i := 2; b.used[name]; i++ {
		name = fmt.Sprintf("%s%s_%d", b.prefix, hint, i)
	}
	b.used[name] = true
	return name
}

// Op adds a node of ONNX's operators with one output and returns the output's name. An input "" is omitted.
func (b *Builder) Op(op string, inputs []string, attributes ...*pb.AttributeProto) string {
	return b.Add("", op, inputs, 1, attributes...)[0]
}

// Add adds a node of domain ("" for ONNX's operators) with outputs outputs and returns their names.
func (b *Builder) Add(domain, op string, inputs []string, outputs int, attributes ...*pb.AttributeProto) []string {
	n := &pb.NodeProto{Domain: domain, OpType: op, Input: append([]string(nil), inputs...), Attribute: attributes}
	for range outputs {
		n.Output = append(n.Output, b.Fresh(op))
	}
	if outputs > 0 {
		n.Name = n.Output[0]
	}
	b.Graph.Node = append(b.Graph.Node, n)
	return n.Output
}

// OpTo is Op with a given name for the output, such as a graph output's. It panics if the name exists.
func (b *Builder) OpTo(output, op string, inputs []string, attributes ...*pb.AttributeProto) string {
	if b.used[output] {
		panic(fmt.Sprintf("onnx: value %q exists already", output))
	}
	b.used[output] = true
	b.Graph.Node = append(b.Graph.Node, &pb.NodeProto{
		Name: output, OpType: op, Input: append([]string(nil), inputs...), Output: []string{output},
		Attribute: attributes,
	})
	return output
}

// Constant adds t as an initializer under a fresh name made from its name, and returns the new name.
func (b *Builder) Constant(t *pb.TensorProto) string {
	hint := t.Name
	if hint == "" {
		hint = "constant"
	}
	t.Name = b.Fresh(hint)
	b.Graph.Initializer = append(b.Graph.Initializer, t)
	return t.Name
}

// Int64s adds a one-dimensional INT64 constant, such as axes or a shape.
func (b *Builder) Int64s(hint string, values ...int64) string {
	return b.Constant(NewInt64(hint, []int64{int64(len(values))}, values))
}

// Int64 adds an INT64 scalar.
func (b *Builder) Int64(hint string, value int64) string {
	return b.Constant(NewInt64(hint, nil, []int64{value}))
}

// Float32 adds a FLOAT scalar.
func (b *Builder) Float32(hint string, value float32) string {
	return b.Constant(NewFloat32(hint, nil, []float32{value}))
}

// Float64 adds a DOUBLE scalar.
func (b *Builder) Float64(hint string, value float64) string {
	return b.Constant(newFloat64(hint, nil, []float64{value}))
}

// Input adds a graph input and returns its name. It panics if the name exists.
func (b *Builder) Input(info *pb.ValueInfoProto) string {
	if b.used[info.Name] {
		panic(fmt.Sprintf("onnx: value %q exists already", info.Name))
	}
	b.used[info.Name] = true
	b.Graph.Input = append(b.Graph.Input, info)
	return info.Name
}

// Attributes of a node, by type.

// Int is an integer attribute.
func Int(name string, v int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INT, I: v}
}

// Ints is an attribute that lists integers.
func Ints(name string, v ...int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INTS, Ints: v}
}

// Float is a float attribute.
func Float(name string, v float32) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_FLOAT, F: v}
}

// Floats is an attribute that lists numbers.
func Floats(name string, v ...float32) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_FLOATS, Floats: v}
}

// String is a string attribute.
func String(name, v string) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_STRING, S: []byte(v)}
}

// TensorAttribute is a tensor attribute.
func TensorAttribute(name string, t *pb.TensorProto) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_TENSOR, T: t}
}

// GraphAttribute is a subgraph attribute.
func GraphAttribute(name string, g *pb.GraphProto) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_GRAPH, G: g}
}

// Attribute returns the attribute of n of that name, or nil.
func Attribute(n *pb.NodeProto, name string) *pb.AttributeProto {
	for _, a := range n.Attribute {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// IntAttribute returns the integer attribute of n of that name, or value if it is missing.
func IntAttribute(n *pb.NodeProto, name string, value int64) int64 {
	if a := Attribute(n, name); a != nil {
		return a.I
	}
	return value
}

// TensorInfo describes a tensor value. Each dimension is an int or int64, a string that names a free dimension
// ("batch"), or nil for an unknown one.
func TensorInfo(name string, dtype pb.TensorProto_DataType, dims ...any) *pb.ValueInfoProto {
	shape := &pb.TensorShapeProto{}
	for _, d := range dims {
		dim := &pb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			dim.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case int64:
			dim.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: d}
		case string:
			dim.Value = &pb.TensorShapeProto_Dimension_DimParam{DimParam: d}
		case nil:
		default:
			panic(fmt.Sprintf("onnx: a dimension of type %T", d))
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{
		TensorType: &pb.TypeProto_Tensor{ElemType: dtype, Shape: shape},
	}}}
}

// Shape returns the element type and dimensions in info, -1 for a free one; ok is false if info has no tensor type
// with a shape.
func Shape(info *pb.ValueInfoProto) (dtype pb.TensorProto_DataType, dims []int64, ok bool) {
	t := info.GetType().GetTensorType()
	if t.GetShape() == nil {
		return t.GetElemType(), nil, false
	}
	dims = []int64{}
	for _, d := range t.Shape.Dim {
		if v, fixed := d.Value.(*pb.TensorShapeProto_Dimension_DimValue); fixed {
			dims = append(dims, v.DimValue)
		} else {
			dims = append(dims, -1)
		}
	}
	return t.ElemType, dims, true
}
