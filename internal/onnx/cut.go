package onnx

import (
	"fmt"
	"slices"

	"fx/internal/onnx/pb"
)

// Cut makes the values named by outputs the outputs of g, in this order, and prunes what they do not need. Each output
// has the type that it gets in the graph (see TensorInfo, and Index.Info for the graph's type). After an error g is
// unchanged.
func Cut(g *pb.GraphProto, outputs ...*pb.ValueInfoProto) error {
	ix := NewIndex(g)
	for _, out := range outputs {
		if !ix.Has(out.Name) {
			return fmt.Errorf("the graph has no value %q to end at", out.Name)
		}
	}
	g.Output = slices.Clone(outputs)
	Prune(g)
	return nil
}

// Prune removes the nodes, initializers, inputs and value infos that no output of g needs. Order and names of the rest
// do not change.
func Prune(g *pb.GraphProto) {
	ix := NewIndex(g)
	needed := map[string]bool{}
	kept := map[*pb.NodeProto]bool{}
	var queue []string
	for _, out := range g.Output {
		queue = append(queue, out.Name)
	}
	for len(queue) > 0 {
		name := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if needed[name] {
			continue
		}
		needed[name] = true
		if n := ix.Producer(name); n != nil && !kept[n] {
			kept[n] = true
			queue = append(queue, Uses(n)...)
		}
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *pb.NodeProto) bool { return !kept[n] })
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *pb.TensorProto) bool { return !needed[t.Name] })
	g.Input = slices.DeleteFunc(g.Input, func(v *pb.ValueInfoProto) bool { return !needed[v.Name] })
	made := map[string]bool{} // an unneeded second output of a kept node may keep its info
	for _, n := range g.Node {
		for _, out := range n.Output {
			made[out] = true
		}
	}
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo,
		func(v *pb.ValueInfoProto) bool { return !needed[v.Name] && !made[v.Name] })
	g.QuantizationAnnotation = slices.DeleteFunc(g.QuantizationAnnotation, func(a *pb.TensorAnnotation) bool {
		return !needed[a.TensorName] && !made[a.TensorName]
	})
}

// Bypass removes the nodes for which remove returns true, and replaces their first output with their first input in
// all consumers, as suits Identity, or Dropout at inference. If such an output is an output of g, its name is kept and
// the input is renamed. Other outputs of a removed node must have no consumers.
func Bypass(g *pb.GraphProto, remove func(*pb.NodeProto) bool) error {
	source := map[string]string{}
	for _, n := range g.Node {
		if remove(n) {
			if len(n.Input) == 0 || len(n.Output) == 0 {
				return fmt.Errorf("node %q (%s) has no value to pass on", n.Name, n.OpType)
			}
			from := n.Input[0]
			if s, ok := source[from]; ok { // nodes are in topological order: s is final
				from = s
			}
			source[n.Output[0]] = from
		}
	}
	ix := NewIndex(g)
	names := map[string]string{}
	for _, n := range g.Node {
		if !remove(n) {
			continue
		}
		for _, out := range n.Output[1:] {
			if len(ix.Consumers(out)) > 0 || ix.Output(out) != nil {
				return fmt.Errorf("output %q of node %q (%s) is used", out, n.Name, n.OpType)
			}
		}
		out := n.Output[0]
		if ix.Output(out) == nil {
			continue
		}
		from := source[out]
		if names[from] != "" || ix.Input(from) != nil || ix.Output(from) != nil || ix.Initializer(from) != nil {
			return fmt.Errorf("graph output %q would be the same value as %q", out, from)
		}
		names[from] = out
	}
	g.Node = slices.DeleteFunc(g.Node, remove)
	for out, from := range source {
		source[out] = from
		if to := names[from]; to != "" {
			source[out] = to
		}
	}
	for from, to := range names {
		source[from] = to
	}
	for _, n := range g.Node {
		renameNode(n, source)
	}
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *pb.ValueInfoProto) bool { return source[v.Name] != "" })
	return nil
}

// Sort puts the nodes of g into topological order, and keeps an order that is already topological. It fails if the
// nodes form a cycle.
func Sort(g *pb.GraphProto) error {
	ix := NewIndex(g)
	const (
		fresh = iota
		open
		done
	)
	state := make(map[*pb.NodeProto]int, len(g.Node))
	sorted := make([]*pb.NodeProto, 0, len(g.Node))
	type frame struct {
		node *pb.NodeProto
		uses []string
	}
	for _, first := range g.Node { // depth first, without recursion: a chain may be long
		if state[first] != fresh {
			continue
		}
		state[first] = open
		stack := []frame{{first, Uses(first)}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.uses) == 0 {
				state[top.node] = done
				sorted = append(sorted, top.node)
				stack = stack[:len(stack)-1]
				continue
			}
			next := ix.Producer(top.uses[0])
			top.uses = top.uses[1:]
			if next == nil || state[next] == done {
				continue
			}
			if state[next] == open {
				return fmt.Errorf("node %q (%s) needs its own result", next.Name, next.OpType)
			}
			state[next] = open
			stack = append(stack, frame{next, Uses(next)})
		}
	}
	g.Node = sorted
	return nil
}
