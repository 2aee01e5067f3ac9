package finetune

import (
	"strings"
	"testing"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

// Nodes that another provider runs are grouped by whether they read the data.
func TestNodesOnTheCPUAreClassified(t *testing.T) {
	g := &pb.GraphProto{}
	b := onnx.NewBuilder(g, "")
	x := b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, 2, 3))
	size := b.Op("Gather", []string{b.Op("Shape", []string{x}), b.Int64("one", 1)})
	flat := b.Op("Unsqueeze", []string{size, b.Int64s("axes", 0)})
	y := b.Op("Reshape", []string{b.Op("Det", []string{x}), flat})
	b.Op("ArgMax", []string{y})

	const cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
	nodes := []ort.Node{
		{Provider: cpu, Op: "Shape", Name: "Shape"}, {Provider: cpu, Op: "Gather", Name: "Gather"}, {Provider: cpu,
			Op: "Unsqueeze", Name: "Unsqueeze"},
		{Provider: cpu, Op: "Det", Name: "Det"}, {Provider: cuda, Op: "Reshape", Name: "Reshape"},
		{Provider: cpu, Domain: "com.microsoft", Op: "FusedArgMax"}, // made by an optimization: nobody knows
	}
	e := classifyNodes(nodes, cuda, g)
	if len(e.shapes) != 3 || len(e.computing) != 2 {
		t.Fatalf("computing %v, shapes %v", e.computing, e.shapes)
	}
	report := e.report("the step", "cuda")
	for _, want := range []string{
		`the step: 2 nodes run on the CPU because the provider for cuda has no kernel for them`,
		`Det "Det", com.microsoft.FusedArgMax ""`,
		`3 nodes that compute shapes run on the CPU on purpose: Shape "Shape"`,
	} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %q", want, report)
		}
	}
	if report := classifyNodes(nodes[:3], cuda, g).report("the step", "cuda"); strings.Contains(report, "no kernel") {
		t.Errorf("shapes alone: %q", report)
	}
	if report := classifyNodes(nodes[4:5], cuda, g).report("the step", "cuda"); report != "" {
		t.Errorf("nothing to tell: %q", report)
	}
	many := make([]ort.Node, 25)
	for i := range many {
		many[i] = ort.Node{Provider: cpu, Op: "Det", Name: "Det"}
	}
	if report := classifyNodes(many, cuda, g).report("the step", "cuda"); !strings.Contains(report, "and 15 more") {
		t.Errorf("%q", report)
	}
}
