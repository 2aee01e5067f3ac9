package autodiff

import (
	"slices"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// kernelRule takes the place of an op's rule in a graph that may use the ops of
// package kernels, where those can do what the node asks for.
type kernelRule struct {
	rule
	fits func(c *context) bool
}

// rule finds the rule for a node.
func (g *Graph) rule(n *pb.NodeProto) (r rule, ok bool) {
	if n.Domain != "" {
		return rule{}, false
	}
	if k, ok := kernelRules[n.OpType]; ok && g.kernels {
		if c := g.context(n); c.fitsKernel() && k.fits(c) && c.err == nil {
			return k.rule, true
		}
	}
	r, ok = rules[n.OpType]
	return r, ok
}

// fitsKernel: the kernels know floats, in up to 8 axes.
func (c *context) fitsKernel() bool {
	t, ok := c.graph.values[c.in(0)]
	return ok && t.DType == pb.TensorProto_FLOAT && len(t.Shape) <= 8 && product(t.Shape) > 0
}

// Kernel adds an op of package kernels. Its outputs are described in the graph:
// ONNX Runtime, which cannot infer their shapes, then reuses their memory as any
// other's. An output of no type is left out.
func (e *Emitter) Kernel(op string, inputs []string, outputs []Tensor, attributes ...*attribute) []string {
	n := &pb.NodeProto{OpType: op, Domain: kernels.Domain, Input: slices.Clone(inputs), Attribute: attributes}
	for _, t := range outputs {
		name := ""
		if t.DType != 0 {
			name = e.Build.Fresh(e.scope + op)
			e.described = append(e.described, tensorInfo(name, t.DType, t.Shape))
		}
		n.Output = append(n.Output, name)
	}
	n.Name = e.Build.Fresh(e.scope + op)
	e.Build.Graph.Node = append(e.Build.Graph.Node, n)
	return n.Output
}

// UseKernels lets m, whose Emitter added ops of package kernels, say so.
func UseKernels(m *pb.ModelProto) {
	uses := func(n *pb.NodeProto) bool { return n.Domain == kernels.Domain }
	if slices.ContainsFunc(m.Graph.Node, uses) {
		onnx.SetOpset(m, kernels.Domain, kernels.Version)
	}
}

func floats(shape ...int64) Tensor { return Tensor{pb.TensorProto_FLOAT, shape} }

// absorption says what a kernel does of the Relu that follows.
type absorption int

const (
	notAbsorbed          absorption = iota
	absorbed                        // the Relu itself
	absorbedWithGradient            // its derivative too
)

// absorbRelu returns the value that a kernel for the node is to make: with relu 1
// that of the Relu that follows, where nothing else reads what lies between.
func (c *context) absorbRelu(how absorption) (result string, relu int64) {
	next := c.graph.onlyReader(c.out(0))
	if next == nil || next.OpType != "Relu" || next.Domain != "" {
		return c.out(0), 0
	}
	c.graph.absorbed[next] = how
	return next.Output[0], 1
}

// rename gives an output of the last node the name that the network knows it by.
func (c *context) rename(output, name string) {
	last := c.Build.Graph.Node[len(c.Build.Graph.Node)-1]
	last.Output[slices.Index(last.Output, output)] = name
}
