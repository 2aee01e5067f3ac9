package finetune

import (
	"fmt"
	"slices"
	"strings"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

// elsewhere are the nodes of a graph that the session's provider left to the CPU.
type elsewhere struct {
	computing []ort.Node // work on the data: each costs copies to the CPU and back
	shapes    []ort.Node // compute shapes and the like from shapes and constants, on purpose
}

// lookElsewhere asks a session on a GPU which nodes of its graph run on the CPU.
func lookElsewhere(s *ort.Session, g *pb.GraphProto) (elsewhere, error) {
	if s.Device().Kind != ort.CUDA.Kind {
		return elsewhere{}, nil
	}
	nodes, err := s.Nodes()
	if err != nil {
		return elsewhere{}, err
	}
	return sortOut(nodes, s.Provider(), g), nil
}

// sortOut tells the nodes that another provider runs apart by what they do.
func sortOut(nodes []ort.Node, provider string, g *pb.GraphProto) elsewhere {
	var e elsewhere
	independent := withoutData(g)
	for _, n := range nodes {
		switch {
		case n.Provider == provider:
		case independent[n.Name]:
			e.shapes = append(e.shapes, n)
		default:
			e.computing = append(e.computing, n)
		}
	}
	return e
}

// withoutData names the nodes whose results depend on shapes and constants
// alone. The shape of a value is known before its content is.
func withoutData(g *pb.GraphProto) map[string]bool {
	index := onnx.NewIndex(g)
	data := map[string]bool{} // values that depend on what comes with a run
	for _, in := range g.Input {
		data[in.Name] = index.Initializer(in.Name) == nil
	}
	nodes := map[string]bool{}
	for _, n := range g.Node { // each after those whose values it uses
		depends := n.OpType != "Shape" && n.OpType != "Size" && slices.ContainsFunc(onnx.Uses(n), func(in string) bool { return data[in] })
		for _, out := range n.Output {
			data[out] = depends
		}
		if !depends && n.Name != "" {
			nodes[n.Name] = true
		}
	}
	return nodes
}

// report is what a user should know, or "". graph is what runs, device where.
func (e elsewhere) report(graph, device string) string {
	if len(e.computing) == 0 && len(e.shapes) == 0 {
		return ""
	}
	shapes := ""
	if len(e.shapes) > 0 {
		shapes = fmt.Sprintf("%d nodes that compute shapes run on the CPU on purpose: %s", len(e.shapes), list(e.shapes))
	}
	if len(e.computing) == 0 {
		return fmt.Sprintf("%s: %s", graph, shapes)
	}
	text := fmt.Sprintf("%s: %d nodes run on the CPU, since the provider for %s has no kernel for them, which costs copies and rules out CUDA graphs: %s",
		graph, len(e.computing), device, list(e.computing))
	if shapes != "" {
		text += "; " + shapes
	}
	return text
}

// listed is how many nodes a report names.
const listed = 10

func list(nodes []ort.Node) string {
	var names []string
	for _, n := range nodes[:min(len(nodes), listed)] {
		op := n.Op
		if n.Domain != "" {
			op = n.Domain + "." + op
		}
		names = append(names, fmt.Sprintf("%s %q", op, n.Name))
	}
	if more := len(nodes) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
