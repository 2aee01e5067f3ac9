package autodiff_test

import (
	"fmt"

	"fx/finetune/autodiff"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// A linear layer followed by Relu: y = Relu(x·Wᵀ + b), trained in b alone. The
// shapes are given by hand here; ortprobe.New infers them with ONNX Runtime.
func Example() {
	g := &pb.GraphProto{Name: "layer"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, "batch", 3))
	b.Constant(onnx.NewFloat32("W", []int64{2, 3}, make([]float32, 6)))
	b.Constant(onnx.NewFloat32("b", []int64{2}, make([]float32, 2)))
	b.OpTo("sum", "Gemm", []string{"x", "W", "b"}, onnx.Int("transB", 1))
	b.OpTo("y", "Relu", []string{"sum"})
	g.Output = []*pb.ValueInfoProto{onnx.TensorInfo("y", pb.TensorProto_FLOAT, "batch", 2)}
	model := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(model, "", 20)

	graph, err := autodiff.New(model, autodiff.Options{
		Trainable: []string{"b"}, Batch: 4,
		Probe: func(*pb.ModelProto) (map[string]autodiff.Tensor, error) {
			two := autodiff.Tensor{DType: pb.TensorProto_FLOAT, Shape: []int64{4, 2}}
			return map[string]autodiff.Tensor{"sum": two, "y": two}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	seed := graph.Build.Input(onnx.TensorInfo("dy", pb.TensorProto_FLOAT, 4, 2))
	gradients, err := graph.Backward(map[string]string{"y": seed})
	if err != nil {
		fmt.Println(err)
		return
	}
	step, err := graph.Finish(onnx.TensorInfo(gradients["b"], pb.TensorProto_FLOAT, 2))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range step.Graph.Node {
		fmt.Println(n.OpType)
	}
	// Output:
	// Gemm
	// Relu
	// HardSigmoid
	// Mul
	// ReduceSum
}
