package ort

import (
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
)

// Shorthands for the small ONNX models of the tests.
type (
	nodes   = []*pb.NodeProto
	weights = []*pb.TensorProto
	values  = []*pb.ValueInfoProto
)

func onnxModel(n nodes, w weights, inputs, outputs values) []byte {
	m := &pb.ModelProto{IrVersion: 8, Graph: &pb.GraphProto{Name: "fx", Node: n, Initializer: w, Input: inputs,
		Output: outputs}}
	onnx.SetOpset(m, "", 17)
	onnx.SetMetadata(m, "fx.key", "value")
	text, err := onnx.Marshal(m)
	if err != nil {
		panic(err)
	}
	return text
}

func onnxNode(op string, inputs, outputs []string, attributes ...*pb.AttributeProto) *pb.NodeProto {
	return &pb.NodeProto{OpType: op, Input: inputs, Output: outputs, Attribute: attributes}
}

func onnxValue(name string, dtype DType, sizes ...any) *pb.ValueInfoProto {
	return onnx.TensorInfo(name, pb.TensorProto_DataType(dtype), sizes...)
}

// sums is uint8 images [batch,8,8,3] → features [batch,2,8,8]: sums over 3×3 neighbours.
func sums() []byte {
	ones := make([]float32, 2*3*3*3)
	for i := range ones {
		ones[i] = 1
	}
	return onnxModel(
		nodes{
			onnxNode("Cast", []string{"images"}, []string{"float"}, onnx.Int("to", int64(Float32T))),
			onnxNode("Transpose", []string{"float"}, []string{"planes"}, onnx.Ints("perm", 0, 3, 1, 2)),
			onnxNode("Conv", []string{"planes", "weight"}, []string{"features"}, onnx.Ints("pads", 1, 1, 1, 1)),
		},
		weights{onnx.NewFloat32("weight", []int64{2, 3, 3, 3}, ones)},
		values{onnxValue("images", Uint8T, "batch", 8, 8, 3)},
		values{onnxValue("features", Float32T, "batch", 2, 8, 8)},
	)
}
