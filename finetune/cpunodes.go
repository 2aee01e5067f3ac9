package finetune

import (
	"fmt"
	"slices"
	"strings"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

// cpuNodes are the nodes of a graph that the session's provider left to the CPU.
type cpuNodes struct {
	computing []ort.Node // read the data: each costs copies to the CPU and back
	shapes    []ort.Node // depend only on shapes and constants; they run there on purpose
}

// findCPUNodes returns the nodes of a GPU session's graph that run on the CPU.
func findCPUNodes(s *ort.Session, g *pb.GraphProto) (cpuNodes, error) {
	if s.Device().Kind != ort.CUDA.Kind {
		return cpuNodes{}, nil
	}
	nodes, err := s.Nodes()
	if err != nil {
		return cpuNodes{}, err
	}
	return classifyNodes(nodes, s.Provider(), g), nil
}

// classifyNodes groups the nodes that another provider runs by whether they read the data.
func classifyNodes(nodes []ort.Node, provider string, g *pb.GraphProto) cpuNodes {
	var e cpuNodes
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

// withoutData returns the names of the nodes whose results depend only on shapes
// and constants. The shape of a value is known before its content.
func withoutData(g *pb.GraphProto) map[string]bool {
	index := onnx.NewIndex(g)
	data := map[string]bool{} // values that depend on a run's inputs
	for _, in := range g.Input {
		data[in.Name] = index.Initializer(in.Name) == nil
	}
	nodes := map[string]bool{}
	for _, n := range g.Node { // in topological order
		depends := n.OpType != "Shape" && n.OpType != "Size" && slices.ContainsFunc(onnx.Uses(n), func(in string) bool {
			return data[in]
		})
		for _, out := range n.Output {
			data[out] = depends
		}
		if !depends && n.Name != "" {
			nodes[n.Name] = true
		}
	}
	return nodes
}

// report returns a note for the user, or "". graph is the graph's title.
func (e cpuNodes) report(graph, device string) string {
	if len(e.computing) == 0 && len(e.shapes) == 0 {
		return ""
	}
	shapes := ""
	if len(e.shapes) > 0 {
		shapes = fmt.Sprintf("%d nodes that compute shapes run on the CPU on purpose: %s", len(e.shapes),
			list(e.shapes))
	}
	if len(e.computing) == 0 {
		return fmt.Sprintf("%s: %s", graph, shapes)
	}
	text := fmt.Sprintf("%s: %d nodes run on the CPU because the provider for %s has no kernel for them, which costs "+
		"copies and rules out CUDA graphs: %s",
		graph, len(e.computing), device, list(e.computing))
	if shapes != "" {
		text += "; " + shapes
	}
	return text
}

// listed is the number of nodes that a report names.
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
