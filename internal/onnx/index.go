package onnx

import "fx/internal/onnx/pb"

// Index finds the producers and consumers of the values of a graph. It is a snapshot: make a new one after editing the
// graph.
type Index struct {
	producers    map[string]*pb.NodeProto
	consumers    map[string][]*pb.NodeProto
	initializers map[string]*pb.TensorProto
	inputs       map[string]*pb.ValueInfoProto
	outputs      map[string]*pb.ValueInfoProto
	infos        map[string]*pb.ValueInfoProto
}

// NewIndex indexes g. The graph should have passed Check.
func NewIndex(g *pb.GraphProto) *Index {
	ix := &Index{
		producers:    make(map[string]*pb.NodeProto, len(g.Node)),
		consumers:    make(map[string][]*pb.NodeProto, len(g.Node)),
		initializers: make(map[string]*pb.TensorProto, len(g.Initializer)),
		inputs:       map[string]*pb.ValueInfoProto{},
		outputs:      map[string]*pb.ValueInfoProto{},
		infos:        map[string]*pb.ValueInfoProto{},
	}
	for _, n := range g.Node {
		for _, out := range n.Output {
			if out != "" {
				ix.producers[out] = n
			}
		}
		seen := map[string]bool{}
		for _, name := range Uses(n) {
			if !seen[name] {
				seen[name] = true
				ix.consumers[name] = append(ix.consumers[name], n)
			}
		}
	}
	for _, t := range g.Initializer {
		ix.initializers[t.Name] = t
	}
	for _, v := range g.ValueInfo {
		ix.infos[v.Name] = v
	}
	for _, v := range g.Input {
		ix.inputs[v.Name], ix.infos[v.Name] = v, v
	}
	for _, v := range g.Output {
		ix.outputs[v.Name], ix.infos[v.Name] = v, v
	}
	return ix
}

// Producer returns the node that makes the value, or nil if it is an input, an initializer or unknown.
func (ix *Index) Producer(value string) *pb.NodeProto { return ix.producers[value] }

// Consumers returns the nodes that use the value, directly or in a subgraph, each once, in the graph's order.
func (ix *Index) Consumers(value string) []*pb.NodeProto { return ix.consumers[value] }

// Initializer returns the initializer of that name, or nil.
func (ix *Index) Initializer(value string) *pb.TensorProto { return ix.initializers[value] }

// Input returns the graph input of that name, or nil.
func (ix *Index) Input(value string) *pb.ValueInfoProto { return ix.inputs[value] }

// Output returns the graph output of that name, or nil.
func (ix *Index) Output(value string) *pb.ValueInfoProto { return ix.outputs[value] }

// Info returns the value's type and shape in the graph, or nil.
func (ix *Index) Info(value string) *pb.ValueInfoProto { return ix.infos[value] }

// Has reports whether the graph has the value, as an input, an initializer or a node's output.
func (ix *Index) Has(value string) bool {
	return ix.producers[value] != nil || ix.initializers[value] != nil || ix.inputs[value] != nil
}

// Constant returns the tensor of a value that is an initializer or the output of a Constant node, directly or through
// Identity nodes, else nil.
func (ix *Index) Constant(value string) *pb.TensorProto {
	for range len(ix.producers) + 1 {
		if t := ix.initializers[value]; t != nil {
			return t
		}
		n := ix.producers[value]
		switch {
		case n == nil:
			return nil
		case n.OpType == "Constant":
			return constantTensor(n)
		case n.OpType == "Identity":
			value = n.Input[0]
		default:
			return nil
		}
	}
	return nil
}

func constantTensor(n *pb.NodeProto) *pb.TensorProto {
	for _, a := range n.Attribute {
		switch a.Name {
		case "value":
			return a.T
		case "value_float":
			return NewFloat32("", nil, []float32{a.F})
		case "value_floats":
			return NewFloat32("", []int64{int64(len(a.Floats))}, a.Floats)
		case "value_int":
			return NewInt64("", nil, []int64{a.I})
		case "value_ints":
			return NewInt64("", []int64{int64(len(a.Ints))}, a.Ints)
		}
	}
	return nil
}
