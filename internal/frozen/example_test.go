package frozen_test

import (
	"fmt"
	"os"

	"fx/internal/frozen"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
)

func ExampleNewSession() {
	os.Setenv(frozen.Variable, "off") // as a user who suspects the tiles
	defer os.Unsetenv(frozen.Variable)
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
	session, err := frozen.NewSession(rt, model, ort.SessionOptions{Device: ort.CPU})
	if err != nil {
		panic(err)
	}
	defer session.Close()
	fmt.Println(session.ProviderOptions()[frozen.Setting])
	// Output: ONNX Runtime: FX_CONV_TILES=off
}
