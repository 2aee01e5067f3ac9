package autodiff

import (
	"fmt"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// context is the input of a rule: the node to differentiate, the gradient of its
// outputs, and an emitter for new nodes. It keeps the first error, after which the
// rule's nodes are discarded.
type context struct {
	*Emitter
	node  *pb.NodeProto
	graph *Graph
	dy    string // gradient of the first output, "" if it has none
	given map[int]string
	err   error
}

// fail records why the node cannot be differentiated.
func (c *context) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// in returns the name of an input, "" if it is omitted.
func (c *context) in(i int) string {
	if i < len(c.node.Input) {
		return c.node.Input[i]
	}
	return ""
}

func (c *context) out(i int) string {
	if i < len(c.node.Output) {
		return c.node.Output[i]
	}
	return ""
}

// shape returns the sizes of a value of the original graph.
func (c *context) shape(name string) []int64 {
	t, ok := c.graph.values[name]
	if !ok {
		c.fail("the shape of %q is not known", name)
	}
	return t.Shape
}

// needs reports whether input i depends on a trainable parameter.
func (c *context) needs(i int) bool { return c.graph.needs[c.in(i)] }

// give sets the gradient of input i. For a broadcasting op it may have the output's
// shape.
func (c *context) give(i int, gradient string) { c.given[i] = gradient }

// each gives gradient(i) to every input i that needs one.
func (c *context) each(gradient func(i int) string) {
	for i := range c.node.Input {
		if c.needs(i) {
			c.give(i, gradient(i))
		}
	}
}

// outputGradient returns the gradient of output i, zeros if it has none.
func (c *context) outputGradient(i int) string {
	if g := c.graph.total(c.out(i)); g != "" {
		return g
	}
	return c.Filled(c.shape(c.out(i)), 0)
}

// save keeps a value of the forward pass for the rule's backward part; load returns it.
func (c *context) save(key, value string) { c.graph.saved[savedKey{c.node, key}] = value }

func (c *context) load(key string) string {
	value, ok := c.graph.saved[savedKey{c.node, key}]
	if !ok {
		c.fail("the forward pass saved no %q", key)
	}
	return value
}

// attribute is a node's attribute, under a shorter name.
type attribute = pb.AttributeProto

type savedKey struct {
	node *pb.NodeProto
	key  string
}

// keep writes the node unchanged, but with count outputs.
func (c *context) keep(count int) []string {
	n := &pb.NodeProto{Name: c.node.Name, OpType: c.node.OpType, Domain: c.node.Domain, Input: c.node.Input,
		Attribute: c.node.Attribute}
	n.Output = append(n.Output, c.node.Output...)
	for i := range count {
		if i == len(n.Output) {
			n.Output = append(n.Output, "")
		}
		if n.Output[i] == "" {
			n.Output[i] = c.Build.Fresh(fmt.Sprintf("%soutput_%d", c.scope, i))
		}
	}
	c.Build.Graph.Node = append(c.Build.Graph.Node, n)
	return n.Output
}

// replace writes another node for the node's first output.
func (c *context) replace(op string, inputs []string, attributes ...*pb.AttributeProto) {
	c.Build.Graph.Node = append(c.Build.Graph.Node, &pb.NodeProto{
		Name: c.node.Name, OpType: op, Input: inputs, Output: []string{c.out(0)}, Attribute: attributes,
	})
}

// integer returns an integer attribute.
func (c *context) integer(name string, value int64) int64 {
	return onnx.IntAttribute(c.node, name, value)
}

// float returns a float attribute.
func (c *context) float(name string, value float32) float64 {
	if a := onnx.Attribute(c.node, name); a != nil {
		return float64(a.F)
	}
	return float64(value)
}

// text returns a string attribute.
func (c *context) text(name, value string) string {
	if a := onnx.Attribute(c.node, name); a != nil {
		return string(a.S)
	}
	return value
}

// list returns an attribute of n integers; each is value if the attribute is omitted.
func (c *context) list(name string, n int, value int64) []int64 {
	if a := onnx.Attribute(c.node, name); a != nil && len(a.Ints) > 0 {
		if len(a.Ints) != n {
			c.fail("%s has %d numbers instead of %d", name, len(a.Ints), n)
			return make([]int64, n)
		}
		return a.Ints
	}
	values := make([]int64, n)
	for i := range values {
		values[i] = value
	}
	return values
}

// axis returns an axis attribute, counted from the front.
func (c *context) axis(value int64, rank int) int64 {
	return fromFront(c.integer("axis", value), rank)
}

func fromFront(axis int64, rank int) int64 {
	if axis < 0 {
		return axis + int64(rank)
	}
	return axis
}

// constantInput returns the integers of input i, which must not depend on the data;
// ok is false if the input is omitted.
func (c *context) constantInput(i int) (values []int64, ok bool) {
	if c.in(i) == "" {
		return nil, false
	}
	values, known := c.graph.integers(c.in(i))
	if !known {
		c.fail("input %d, %q, is not a constant", i, c.in(i))
	}
	return values, true
}
