package autodiff

import (
	"math"
	"slices"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// activation is an activation that the kernels compute. a and b are its parameters.
type activation struct {
	kind       int64 // of package kernels; 0 is none
	a, b       float32
	fromResult bool // the gradient is computed from the result, so that the input need not be kept
}

func (f activation) attributes() []*attribute {
	if f.kind == 0 {
		return nil
	}
	return []*attribute{onnx.Int("activation", f.kind), onnx.Float("a", f.a), onnx.Float("b", f.b)}
}

// activation returns the activation that a node is; ok is false if the kernels have none for it.
func (g *Graph) activation(n *pb.NodeProto) (f activation, ok bool) {
	if n.Domain != "" {
		return f, false
	}
	float := func(name string, value float32) float32 {
		if a := onnx.Attribute(n, name); a != nil {
			return a.F
		}
		return value
	}
	switch n.OpType {
	case "Relu":
		return activation{kind: kernels.Relu, fromResult: true}, true
	case "Clip":
		low, lowKnown := g.bound(n, 1, math.Inf(-1))
		high, highKnown := g.bound(n, 2, math.Inf(1))
		return activation{kind: kernels.Clip, a: low, b: high, fromResult: true}, lowKnown && highKnown && low < high
	case "HardSigmoid":
		return activation{kind: kernels.HardSigmoid, a: float("alpha", 0.2), b: float("beta", 0.5)}, true
	case "HardSwish":
		return activation{kind: kernels.HardSwish}, true
	case "Swish":
		return activation{kind: kernels.Swish}, float("alpha", 1) == 1
	case "Gelu":
		if a := onnx.Attribute(n, "approximate"); a != nil && string(a.S) == "tanh" {
			return activation{kind: kernels.GeluTanh}, true
		}
		return activation{kind: kernels.Gelu}, true
	}
	return f, false
}

// bound returns the bound of a Clip that is input i; known is false if it is no constant.
func (g *Graph) bound(n *pb.NodeProto, i int, missing float64) (bound float32, known bool) {
	if i >= len(n.Input) || n.Input[i] == "" {
		return float32(missing), true
	}
	t := g.index.Constant(n.Input[i])
	if t == nil {
		return 0, false
	}
	values, err := onnx.Float32s(t)
	if err != nil || len(values) != 1 {
		return 0, false
	}
	return values[0], true
}

// nextActivation returns the activation after a node and its node, nil if there is none or something else reads the
// value between them.
func (g *Graph) nextActivation(n *pb.NodeProto) (*pb.NodeProto, activation) {
	if next := g.onlyReader(n.Output[0]); next != nil {
		if f, ok := g.activation(next); ok && next.Input[0] == n.Output[0] {
			return next, f
		}
	}
	return nil, activation{}
}

// kernelActivationForward writes nothing if the kernel before computes the activation too. ONNX Runtime computes some
// in several passes over memory.
func kernelActivationForward(c *context) {
	f, _ := c.graph.activation(c.node)
	switch {
	case c.graph.absorbed[c.node] != notAbsorbed:
	case c.node.OpType == "HardSwish" || c.node.OpType == "Swish":
		made := c.Kernel("Activation", []string{c.in(0)}, []Tensor{floats(c.shape(c.out(0))...)}, f.attributes()...)
		c.rename(made[0], c.out(0))
	default:
		c.Build.Graph.Node = append(c.Build.Graph.Node, c.node)
	}
}

func kernelActivationGradient(c *context) {
	if c.graph.absorbed[c.node] == absorbedWithGradient {
		c.give(0, c.dy)
		return
	}
	f, _ := c.graph.activation(c.node)
	x := c.in(0)
	if f.fromResult {
		x = c.out(0)
	}
	c.give(0, c.Kernel("ActivationGrad", []string{c.dy, x}, []Tensor{floats(c.shape(x)...)}, f.attributes()...)[0])
}

// joinSwish replaces each Sigmoid whose only reader multiplies it with its argument, as opsets before 24 write Swish,
// by a Swish, for which there is a kernel.
func joinSwish(g *pb.GraphProto, values map[string]Tensor) {
	index := onnx.NewIndex(g)
	joined := map[*pb.NodeProto]bool{}
	for _, n := range g.Node {
		if n.OpType != "Sigmoid" || n.Domain != "" || index.Output(n.Output[0]) != nil {
			continue
		}
		readers, x := index.Consumers(n.Output[0]), n.Input[0]
		if len(readers) != 1 || values[x].DType != pb.TensorProto_FLOAT || len(values[x].Shape) > 8 {
			continue
		}
		m := readers[0]
		if m.OpType != "Mul" || m.Domain != "" || !slices.Contains(m.Input, x) {
			continue
		}
		m.OpType, m.Input = "Swish", []string{x}
		joined[n] = true
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *pb.NodeProto) bool { return joined[n] })
}
