package onnx

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"fx/internal/onnx/pb"
)

// tiny is a sound model: y = relu(x·w), z = a constant nobody needs.
func tiny() *pb.ModelProto {
	g := &pb.GraphProto{Name: "tiny"}
	b := NewBuilder(g, "")
	b.Input(TensorInfo("x", pb.TensorProto_FLOAT, "batch", 2))
	w := b.Constant(NewFloat32("w", []int64{2, 3}, []float32{1, 2, 3, 4, 5, 6}))
	b.OpTo("h", "MatMul", []string{"x", w})
	b.OpTo("y", "Relu", []string{"h"})
	b.OpTo("z", "Neg", []string{"h"})
	g.Output = []*pb.ValueInfoProto{TensorInfo("y", pb.TensorProto_FLOAT, "batch", 3),
		TensorInfo("z", pb.TensorProto_FLOAT, "batch", 3)}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	SetOpset(m, "", 20)
	return m
}

// withBranch is a model whose If node takes a value of the outer graph inside.
func withBranch() *pb.ModelProto {
	branch := func(name, op string) *pb.GraphProto {
		return &pb.GraphProto{
			Name:   name,
			Node:   []*pb.NodeProto{{OpType: op, Input: []string{"h"}, Output: []string{name + "_out"}}},
			Output: []*pb.ValueInfoProto{TensorInfo(name+"_out", pb.TensorProto_FLOAT, "batch", 3)},
		}
	}
	m := tiny()
	b := NewBuilder(m.Graph, "")
	b.Input(TensorInfo("yes", pb.TensorProto_BOOL))
	b.OpTo("chosen", "If", []string{"yes"}, GraphAttribute("then_branch", branch("then", "Exp")),
		GraphAttribute("else_branch", branch("else", "Abs")))
	m.Graph.Output = []*pb.ValueInfoProto{TensorInfo("chosen", pb.TensorProto_FLOAT, "batch", 3)}
	return m
}

// randomGraph draws a sound graph of n nodes, each on one or two earlier values.
func randomGraph(r *rand.Rand, n int) *pb.GraphProto {
	g := &pb.GraphProto{Input: []*pb.ValueInfoProto{TensorInfo("v0", pb.TensorProto_FLOAT, 1)}}
	names := []string{"v0"}
	for i := range 1 + r.IntN(4) {
		name := fmt.Sprintf("c%d", i)
		g.Initializer = append(g.Initializer, NewFloat32(name, []int64{1}, []float32{float32(i)}))
		names = append(names, name)
	}
	for i := range n {
		node := &pb.NodeProto{OpType: "Add", Name: fmt.Sprintf("n%d", i)}
		for range 2 {
			node.Input = append(node.Input, names[r.IntN(len(names))])
		}
		for j := range 1 + r.IntN(2) {
			name := fmt.Sprintf("v%d_%d", i+1, j)
			node.Output = append(node.Output, name)
			names = append(names, name)
		}
		g.Node = append(g.Node, node)
	}
	g.Output = []*pb.ValueInfoProto{TensorInfo(names[len(names)-1], pb.TensorProto_FLOAT, 1)}
	return g
}

func mustMarshal(t *testing.T, m *pb.ModelProto) []byte {
	t.Helper()
	data, err := Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func nodeNames(g *pb.GraphProto) []string {
	names := []string{}
	for _, n := range g.Node {
		names = append(names, n.Output[0])
	}
	return names
}

// prefix puts prefix before the name of every node and every value of g except
// the values named in keep, so that it can be joined with another graph.
func prefix(g *pb.GraphProto, prefix string, keep ...string) error {
	kept := map[string]bool{}
	for _, name := range keep {
		kept[name] = true
	}
	names := map[string]string{}
	for name := range definedNames(g) {
		if !kept[name] {
			names[name] = prefix + name
		}
	}
	if err := Rename(g, names); err != nil {
		return err
	}
	return walkGraph(g, 0, func(sub *pb.GraphProto) error {
		for _, n := range sub.Node {
			if n.Name != "" {
				n.Name = prefix + n.Name
			}
		}
		return nil
	})
}
