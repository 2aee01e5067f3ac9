package autodiff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Backward adds the backward pass: given gradients of a scalar with respect to
// values of the graph (seeds: value → name of its gradient, of the same shape),
// it returns the gradient of every trainable value by name. A trainable value
// that no seed depends on is missing from the result. An op without a rule on the
// way is an error of kind fail.Model that names the op, the node and the place for
// the rule.
func (g *Graph) Backward(seeds map[string]string) (map[string]string, error) {
	for _, value := range slices.Sorted(maps.Keys(seeds)) {
		if _, ok := g.values[value]; !ok {
			return nil, fail.New(fail.Model, "", "the graph %q has no value %q at which to start the backward pass",
				g.model.Graph.Name, value)
		}
		g.addGradient(value, seeds[value])
	}
	for _, n := range slices.Backward(g.nodes) {
		if err := g.differentiate(n); err != nil {
			return nil, err
		}
	}
	gradients := map[string]string{}
	for _, name := range g.trainable {
		g.DType = g.values[name].DType
		g.Scope(name + "/")
		if total := g.total(name); total != "" {
			gradients[name] = total
		}
	}
	g.Scope("")
	g.DType = pb.TensorProto_FLOAT
	return gradients, nil
}

// differentiate adds the gradients of n's inputs, from those of its outputs.
func (g *Graph) differentiate(n *pb.NodeProto) error {
	wanted := slices.ContainsFunc(n.Output, func(out string) bool { return g.needs[out] && len(g.partial[out]) > 0 })
	if !wanted {
		return nil
	}
	r, ok := g.rule(n)
	if !ok {
		return missingRule(n)
	}
	c := g.context(n)
	if len(g.partial[c.out(0)]) > 0 {
		c.dy = g.total(c.out(0))
	} else {
		c.dy = c.outputGradient(0)
	}
	r.backward(c)
	if c.err != nil {
		return g.nodeError(n, c.err)
	}
	for i, in := range n.Input {
		gradient, given := c.given[i]
		switch {
		case in == "" || !g.needs[in] || r.first && i > 0:
		case !given:
			return g.nodeError(n, fmt.Errorf("the rule gives no gradient for input %d, %q", i, in))
		case r.broadcasts:
			g.addGradient(in, c.sumTo(gradient, g.values[c.out(0)].Shape, g.values[in].Shape))
		default:
			g.addGradient(in, gradient)
		}
	}
	return g.nodeError(n, c.err)
}

// Reached returns the float values of g from which a gradient path leads to an output.
func Reached(g *pb.GraphProto) map[string]bool {
	reached := map[string]bool{}
	for _, out := range g.Output {
		reached[out.Name] = true
	}
	for _, n := range slices.Backward(g.Node) {
		if !stopsGradient(n) && slices.ContainsFunc(n.Output, func(out string) bool { return reached[out] }) {
			for _, in := range onnx.Uses(n) {
				reached[in] = true
			}
		}
	}
	return reached
}

// addGradient adds a term to the gradient of value.
func (g *Graph) addGradient(value, gradient string) {
	g.partial[value] = append(g.partial[value], gradient)
}

// total returns the gradient of value, the sum of its terms, or "".
func (g *Graph) total(value string) string {
	shares := g.partial[value]
	switch len(shares) {
	case 0:
		return ""
	case 1:
		return shares[0]
	}
	sum := shares[0]
	for _, share := range shares[1:] { // Add runs on all threads, Sum on one
		sum = g.Op("Add", sum, share)
	}
	g.partial[value] = []string{sum}
	return sum
}

func missingRule(n *pb.NodeProto) error {
	op := n.OpType
	if n.Domain != "" {
		op = n.Domain + "." + op
	}
	node := n.Name
	if node == "" {
		node = strings.Join(n.Output, ", ")
	}
	return fail.New(fail.Model, headOnly+" `fx artifacts ops` lists the ops with a gradient rule; a new one is an "+
		"entry in finetune/autodiff/rules_*.go.",
		"node %q is of op %s, which has no gradient rule", node, op)
}
