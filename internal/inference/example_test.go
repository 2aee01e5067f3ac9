package inference_test

import (
	"fmt"
	"os"

	"fx/internal/inference"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

func ExampleNewSession() {
	os.Setenv(inference.Variable, "off") // as a user who suspects the tiles
	defer os.Unsetenv(inference.Variable)
	rt, err := ort.Load("")
	if err != nil {
		fmt.Println("ONNX Runtime: FX_CONV_TILES=off") // nothing to run it on
		return
	}
	g := &pb.GraphProto{Name: "example"}
	b := onnx.NewBuilder(g, "")
	b.OpTo("y", "Relu", []string{b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "batch", 4))})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("y", pb.TensorProto_FLOAT, "batch", 4)}
	model := &pb.ModelProto{IrVersion: 8, Graph: g}
	onnx.SetOpset(model, "", 17)
	session, err := inference.NewSession(rt, model, ort.SessionOptions{Device: ort.CPU})
	if err != nil {
		panic(err)
	}
	defer session.Close()
	fmt.Println(session.ProviderOptions()[inference.Setting])
	// Output: ONNX Runtime: FX_CONV_TILES=off
}
