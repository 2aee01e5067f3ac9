package onnx

import (
	"fmt"

	"fx/internal/onnx/pb"
)

// Rename renames values of g, all at once, everywhere: in inputs, outputs, initializers, nodes, subgraphs and value
// infos. Names that g does not have are ignored. It returns an error if two values would get one name.
func Rename(g *pb.GraphProto, names map[string]string) error {
	taken := map[string]string{}
	for name := range definedNames(g) {
		to, ok := names[name]
		if !ok {
			to = name
		}
		if to == "" {
			return fmt.Errorf("value %q cannot have an empty name", name)
		}
		if other, ok := taken[to]; ok {
			return fmt.Errorf("values %q and %q would both be called %q", other, name, to)
		}
		taken[to] = name
	}
	renameGraph(g, names)
	return nil
}

// Append moves the nodes, initializers and infos of src to the end of dst. wire maps inputs of src to values of dst;
// an input that is not wired becomes an input of dst. The outputs of dst do not change: set them afterwards, for
// example with Cut. Other names that both graphs have are an error. src must not be used afterwards.
func Append(dst, src *pb.GraphProto, wire map[string]string) error {
	have := definedNames(dst)
	for input, value := range wire {
		if NewIndex(src).Input(input) == nil {
			return fmt.Errorf("the appended graph has no input %q", input)
		}
		if !have[value] {
			return fmt.Errorf("the graph has no value %q for input %q of the appended one", value, input)
		}
	}
	for name := range definedNames(src) {
		if _, wired := wire[name]; !wired && have[name] {
			return fmt.Errorf("both graphs have a value %q", name)
		}
	}
	for _, in := range src.Input {
		if _, wired := wire[in.Name]; !wired {
			dst.Input = append(dst.Input, in)
		}
	}
	for _, t := range src.Initializer {
		if _, wired := wire[t.Name]; !wired { // else the default of a wired input
			dst.Initializer = append(dst.Initializer, t)
		}
	}
	renameGraph(src, wire)
	dst.Node = append(dst.Node, src.Node...)
	dst.ValueInfo = append(dst.ValueInfo, src.ValueInfo...)
	dst.QuantizationAnnotation = append(dst.QuantizationAnnotation, src.QuantizationAnnotation...)
	return nil
}

// definedNames returns every name that g or a subgraph of it makes.
func definedNames(g *pb.GraphProto) map[string]bool {
	names := map[string]bool{}
	var walk func(g *pb.GraphProto)
	walk = func(g *pb.GraphProto) {
		for _, in := range g.Input {
			names[in.Name] = true
		}
		for _, t := range g.Initializer {
			names[t.Name] = true
		}
		for _, n := range g.Node {
			for _, out := range n.Output {
				if out != "" {
					names[out] = true
				}
			}
			for _, sub := range Subgraphs(n) {
				walk(sub)
			}
		}
	}
	walk(g)
	return names
}

func renameGraph(g *pb.GraphProto, names map[string]string) {
	for _, list := range [][]*pb.ValueInfoProto{g.Input, g.Output, g.ValueInfo} {
		for _, v := range list {
			v.Name = renamed(v.Name, names)
		}
	}
	for _, t := range g.Initializer {
		t.Name = renamed(t.Name, names)
	}
	for _, a := range g.QuantizationAnnotation {
		a.TensorName = renamed(a.TensorName, names)
		for _, p := range a.QuantParameterTensorNames {
			p.Value = renamed(p.Value, names)
		}
	}
	for _, n := range g.Node {
		renameNode(n, names)
	}
}

func renameNode(n *pb.NodeProto, names map[string]string) {
	for i, in := range n.Input {
		n.Input[i] = renamed(in, names)
	}
	for i, out := range n.Output {
		n.Output[i] = renamed(out, names)
	}
	for _, sub := range Subgraphs(n) {
		renameGraph(sub, names)
	}
}

func renamed(name string, names map[string]string) string {
	if to, ok := names[name]; ok && name != "" {
		return to
	}
	return name
}
