package artifacts_test

import (
	"testing"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/kernels"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// What may be written in place must not be read afterwards: whatever reads a
// parameter is on the way to the one node that updates all of them.
func TestUpdateWaitsForEveryReader(t *testing.T) {
	for _, b := range backbones.All()[:8] {
		t.Run(b.Name, func(t *testing.T) {
			if testing.Short() && b.Name != "resnet18" {
				t.Skip("-short")
			}
			n := seeded(t, b.Name)
			step, err := n.Step(artifacts.Options{Batch: 4,
				Optimizer: artifacts.Optimizer{Momentum: 0.9, WeightDecay: 1e-4}, Kernels: true, Probe: probe(t)})
			if err != nil {
				t.Fatal(err)
			}
			index := onnx.NewIndex(step.Model.Graph)
			var update *pb.NodeProto
			for _, node := range step.Model.Graph.Node {
				if node.Domain == kernels.Domain && node.OpType == "SGD" {
					if update != nil {
						t.Fatal("more than one node updates parameters")
					}
					update = node
				}
			}
			if update == nil {
				t.Fatal("no node updates parameters")
			}
			before := map[*pb.NodeProto]bool{}
			var mark func(node *pb.NodeProto)
			mark = func(node *pb.NodeProto) {
				if node == nil || before[node] {
					return
				}
				before[node] = true
				for _, in := range onnx.Uses(node) {
					mark(index.Producer(in))
				}
			}
			mark(update)
			found := 0
			for _, s := range step.State {
				if s.Kind != artifacts.ParameterState || s.Next == "" {
					continue
				}
				found++
				if !s.InPlace {
					t.Errorf("%s is not updated in place", s.Name)
				}
				for _, reader := range index.Consumers(s.Name) {
					if !before[reader] {
						t.Errorf("%s (%s) may read %s after its update", reader.Name, reader.OpType, s.Name)
					}
				}
			}
			if found < 10 {
				t.Errorf("%d parameters are updated", found)
			}
		})
	}
}
