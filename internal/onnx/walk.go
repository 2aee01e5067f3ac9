package onnx

import (
	"errors"

	"fx/internal/onnx/pb"
)

const maxGraphDepth = 32

var errGraphDepth = errors.New("nests its graphs too deep")

// Subgraphs returns the graphs among the attributes of n: the branches of an
// If, the body of a Loop or Scan.
func Subgraphs(n *pb.NodeProto) []*pb.GraphProto {
	var graphs []*pb.GraphProto
	for _, a := range n.Attribute {
		if a.G != nil {
			graphs = append(graphs, a.G)
		}
		graphs = append(graphs, a.Graphs...)
	}
	return graphs
}

// Uses returns the values that n needs: its inputs without omitted ones, and the outer values that its subgraphs use.
func Uses(n *pb.NodeProto) []string {
	var names []string
	for _, in := range n.Input {
		if in != "" {
			names = append(names, in)
		}
	}
	for _, sub := range Subgraphs(n) {
		names = append(names, captured(sub)...)
	}
	return names
}

// captured returns the values that g uses but does not make.
func captured(g *pb.GraphProto) []string {
	made := map[string]bool{}
	for _, in := range g.Input {
		made[in.Name] = true
	}
	for _, t := range g.Initializer {
		made[t.Name] = true
	}
	var names []string
	need := func(name string) {
		if name != "" && !made[name] {
			names = append(names, name)
		}
	}
	for _, n := range g.Node {
		for _, name := range Uses(n) {
			need(name)
		}
		for _, out := range n.Output {
			made[out] = true
		}
	}
	for _, out := range g.Output {
		need(out.Name)
	}
	return names
}

// eachGraph calls f with every graph of m, subgraphs included.
func eachGraph(m *pb.ModelProto, f func(*pb.GraphProto) error) error {
	graphs := []*pb.GraphProto{m.Graph}
	for _, t := range m.TrainingInfo {
		graphs = append(graphs, t.Initialization, t.Algorithm)
	}
	for _, g := range graphs {
		if g != nil {
			if err := walkGraph(g, 0, f); err != nil {
				return err
			}
		}
	}
	for _, fn := range m.Functions {
		if err := walkNodes(fn.Node, 0, f); err != nil {
			return err
		}
	}
	return nil
}

func walkGraph(g *pb.GraphProto, depth int, f func(*pb.GraphProto) error) error {
	if depth > maxGraphDepth {
		return errGraphDepth
	}
	if err := f(g); err != nil {
		return err
	}
	return walkNodes(g.Node, depth, f)
}

func walkNodes(nodes []*pb.NodeProto, depth int, f func(*pb.GraphProto) error) error {
	for _, n := range nodes {
		for _, sub := range Subgraphs(n) {
			if err := walkGraph(sub, depth+1, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachTensor calls f with every tensor of m: initializers and attributes, of
// graphs, subgraphs and functions.
func eachTensor(m *pb.ModelProto, f func(*pb.TensorProto) error) error {
	attributes := func(list []*pb.AttributeProto) error {
		for _, a := range list {
			tensors := a.Tensors
			if a.T != nil {
				tensors = append([]*pb.TensorProto{a.T}, tensors...)
			}
			for _, s := range append([]*pb.SparseTensorProto{a.SparseTensor}, a.SparseTensors...) {
				if s.GetValues() != nil {
					tensors = append(tensors, s.Values)
				}
				if s.GetIndices() != nil {
					tensors = append(tensors, s.Indices)
				}
			}
			for _, t := range tensors {
				if err := f(t); err != nil {
					return err
				}
			}
		}
		return nil
	}
	nodes := func(list []*pb.NodeProto) error {
		for _, n := range list {
			if err := attributes(n.Attribute); err != nil {
				return err
			}
		}
		return nil
	}
	for _, fn := range m.Functions {
		if err := attributes(fn.AttributeProto); err != nil {
			return err
		}
		if err := nodes(fn.Node); err != nil {
			return err
		}
	}
	return eachGraph(m, func(g *pb.GraphProto) error {
		for _, t := range g.Initializer {
			if err := f(t); err != nil {
				return err
			}
		}
		return nodes(g.Node)
	})
}
