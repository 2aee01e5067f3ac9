package onnx_test

import (
	"fmt"

	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

func Example() {
	g := &pb.GraphProto{Name: "example"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "batch", 4))
	b.OpTo("features", "Relu", []string{"x"})
	b.OpTo("probabilities", "Softmax", []string{"features"}, onnx.Int("axis", 1))
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("probabilities", pb.TensorProto_FLOAT, "batch", 4)}
	model := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(model, "", 20)

	// Keep what leads to the features.
	if err := onnx.Cut(model.Graph, onnx.TensorInfo("features", pb.TensorProto_FLOAT, "batch", 4)); err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range model.Graph.Node {
		fmt.Println(n.Input, n.OpType, n.Output)
	}
	// Output: [x] Relu [features]
}
