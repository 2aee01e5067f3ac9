package autodiff

import (
	"slices"

	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// kernelRule replaces an op's rule in a graph that may use the ops of package kernels,
// if those support the node.
type kernelRule struct {
	rule
	fits func(c *context) bool
}

// rule returns the rule for a node.
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

// fitsKernel reports whether the kernels support the node: float32 with up to 8 axes.
func (c *context) fitsKernel() bool {
	t, ok := c.graph.values[c.in(0)]
	return ok && t.DType == pb.TensorProto_FLOAT && len(t.Shape) <= 8 && product(t.Shape) > 0
}

// Kernel adds an op of package kernels. It describes the outputs in the graph, because
// ONNX Runtime can't infer their shapes and otherwise would not reuse their memory. An
// output without a type is omitted.
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

// UseKernels adds the opset of package kernels to m, if m uses its ops.
func UseKernels(m *pb.ModelProto) {
	uses := func(n *pb.NodeProto) bool { return n.Domain == kernels.Domain }
	if slices.ContainsFunc(m.Graph.Node, uses) {
		onnx.SetOpset(m, kernels.Domain, kernels.Version)
	}
}

func floats(shape ...int64) Tensor { return Tensor{DType: pb.TensorProto_FLOAT, Shape: shape} }

// absorption is the part of the following activation that a kernel computes.
type absorption int

const (
	notAbsorbed          absorption = iota
	absorbed                        // the activation itself
	absorbedWithGradient            // its derivative too
)

// rename gives an output of the last node the network's own name for it.
func (c *context) rename(output, name string) {
	last := c.Build.Graph.Node[len(c.Build.Graph.Node)-1]
	last.Output[slices.Index(last.Output, output)] = name
}
