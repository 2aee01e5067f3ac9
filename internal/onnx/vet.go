package onnx

import (
	"errors"
	"fmt"

	"fx/internal/onnx/pb"
)

// vet checks all that can be checked without a run: counts, tensors, names, the order of nodes.
func vet(m *pb.ModelProto, options Options) error {
	switch {
	case m.Graph == nil:
		return errors.New("is not an ONNX model: it has no graph")
	case m.IrVersion < 1:
		return errors.New("is not an ONNX model: it has no IR version")
	case len(m.OpsetImport) == 0:
		return errors.New("names no operator set")
	}
	nodes, tensors, sparse := 0, 0, 0
	err := eachGraph(m, func(g *pb.GraphProto) error {
		nodes += len(g.Node)
		sparse += len(g.SparseInitializer)
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range m.Functions {
		nodes += len(f.Node)
	}
	if nodes > options.Nodes {
		return fmt.Errorf("has %d nodes, more than the %d accepted", nodes, options.Nodes)
	}
	if sparse > 0 {
		return errors.New("has sparse initializers, which fx does not read")
	}
	initializers := map[*pb.TensorProto]bool{}
	if options.Weightless {
		for _, t := range m.Graph.Initializer {
			initializers[t] = true
		}
	}
	err = eachTensor(m, func(t *pb.TensorProto) error {
		if tensors++; tensors > options.Tensors {
			return fmt.Errorf("has more than the %d tensors accepted", options.Tensors)
		}
		if err := vetTensor(t, initializers[t]); err != nil {
			return fmt.Errorf("tensor %q %w", t.Name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return Check(m.Graph)
}

// Check returns an error for the first violation of these rules: every value is made once, by an input, an initializer
// or a node, before it is used; every output is made; a subgraph may use the values of its outer graphs but not make
// them again.
func Check(g *pb.GraphProto) error { return check(g, nil, 0) }

type scope struct {
	names map[string]bool
	outer *scope
}

func (s *scope) sees(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[name] {
			return true
		}
	}
	return false
}

func check(g *pb.GraphProto, outer *scope, depth int) error {
	if depth > maxGraphDepth {
		return errGraphDepth
	}
	here := &scope{names: make(map[string]bool, len(g.Node)+len(g.Initializer)), outer: outer}
	inputs := make(map[string]bool, len(g.Input))
	for _, in := range g.Input {
		if in.Name == "" || here.sees(in.Name) {
			return fmt.Errorf("graph input %q has no name of its own", in.Name)
		}
		here.names[in.Name], inputs[in.Name] = true, true
	}
	for _, t := range g.Initializer {
		// Up to IR version 3 each initializer is also an input, its default.
		if t.Name == "" || here.sees(t.Name) && !inputs[t.Name] {
			return fmt.Errorf("initializer %q has no name of its own", t.Name)
		}
		delete(inputs, t.Name)
		here.names[t.Name] = true
	}
	for i, n := range g.Node {
		if n.OpType == "" {
			return fmt.Errorf("node %s names no operator", describe(n, i))
		}
		for _, in := range n.Input {
			if in != "" && !here.sees(in) {
				return fmt.Errorf("node %s uses value %q, which nothing before it makes", describe(n, i), in)
			}
		}
		for _, sub := range Subgraphs(n) {
			if err := check(sub, here, depth+1); err != nil {
				return fmt.Errorf("subgraph of node %s: %w", describe(n, i), err)
			}
		}
		for _, out := range n.Output {
			if out == "" {
				continue
			}
			if here.sees(out) {
				return fmt.Errorf("node %s makes value %q, which is made already", describe(n, i), out)
			}
			here.names[out] = true
		}
	}
	for _, out := range g.Output {
		if !here.sees(out.Name) {
			return fmt.Errorf("nothing makes graph output %q", out.Name)
		}
	}
	return nil
}

func describe(n *pb.NodeProto, i int) string {
	if n.Name != "" {
		return fmt.Sprintf("%q (%s)", n.Name, n.OpType)
	}
	return fmt.Sprintf("%d (%s)", i, n.OpType)
}
