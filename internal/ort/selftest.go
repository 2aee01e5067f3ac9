package ort

import (
	"context"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The doctor proves a device by running a small network on it. The network is
// written here by hand, as the few fields of onnx.proto that it takes (their
// numbers are ONNX's).

// message builds one protobuf message.
type message []byte

func (m message) bytes(field protowire.Number, value []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), value)
}

func (m message) text(field protowire.Number, value string) message {
	return m.bytes(field, []byte(value))
}

func (m message) number(field protowire.Number, value int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(value))
}

// onnxModel is a ModelProto of one graph.
func onnxModel(graph message) message {
	opset := message{}.number(2, 17)
	return message{}.number(1, 8).bytes(7, graph).bytes(8, opset)
}

// onnxNode is a NodeProto; attributes are AttributeProtos.
func onnxNode(op string, inputs, outputs []string, attributes ...message) message {
	var m message
	for _, name := range inputs {
		m = m.text(1, name)
	}
	for _, name := range outputs {
		m = m.text(2, name)
	}
	m = m.text(4, op)
	for _, a := range attributes {
		m = m.bytes(5, a)
	}
	return m
}

// onnxInts is an AttributeProto of type INTS.
func onnxInts(name string, values ...int64) message {
	m := message{}.text(1, name)
	for _, v := range values {
		m = m.number(8, v)
	}
	return m.number(20, 7)
}

// onnxFloats is a TensorProto of float32.
func onnxFloats(name string, values []float32, shape ...int64) message {
	var m message
	for _, size := range shape {
		m = m.number(1, size)
	}
	m = m.number(2, int64(Float32T)).text(8, name)
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = protowire.AppendFixed32(raw, math.Float32bits(v))
	}
	return m.bytes(9, raw)
}

// onnxValue is a ValueInfoProto; a size is an int or the name of a symbol.
func onnxValue(name string, dtype DType, sizes ...any) message {
	var shape message
	for _, size := range sizes {
		switch s := size.(type) {
		case int:
			shape = shape.bytes(1, message{}.number(1, int64(s)))
		case string:
			shape = shape.bytes(1, message{}.text(2, s))
		}
	}
	tensor := message{}.number(1, int64(dtype)).bytes(2, shape)
	return message{}.text(1, name).bytes(2, message{}.bytes(1, tensor))
}

// onnxGraph is a GraphProto.
func onnxGraph(nodes, initializers, inputs, outputs []message) message {
	var m message
	for _, n := range nodes {
		m = m.bytes(1, n)
	}
	m = m.text(2, "fx")
	for _, t := range initializers {
		m = m.bytes(5, t)
	}
	for _, v := range inputs {
		m = m.bytes(11, v)
	}
	for _, v := range outputs {
		m = m.bytes(12, v)
	}
	return m
}

// selfTestModel is uint8 images [batch,8,8,3] → float32 → NCHW → 3×3 convolution with
// padding, where every weight is 1: each value is the sum over 27 neighbours.
func selfTestModel() []byte {
	ones := make([]float32, 2*3*3*3)
	for i := range ones {
		ones[i] = 1
	}
	return onnxModel(onnxGraph(
		[]message{
			onnxNode("Cast", []string{"images"}, []string{"float"}, message{}.text(1, "to").number(3, int64(Float32T)).number(20, 2)),
			onnxNode("Transpose", []string{"float"}, []string{"planes"}, onnxInts("perm", 0, 3, 1, 2)),
			onnxNode("Conv", []string{"planes", "weight"}, []string{"features"}, onnxInts("pads", 1, 1, 1, 1)),
		},
		[]message{onnxFloats("weight", ones, 2, 3, 3, 3)},
		[]message{onnxValue("images", Uint8T, "batch", 8, 8, 3)},
		[]message{onnxValue("features", Float32T, "batch", 2, 8, 8)},
	))
}

// selfTest runs the small network on a device and checks what it computes.
func (rt *Runtime) selfTest(ctx context.Context, device Device) (*Session, error) {
	s, err := rt.NewSession(selfTestModel(), SessionOptions{Device: device, Threads: 1})
	if err != nil {
		return nil, err
	}
	images := make([]uint8, 8*8*3)
	for i := range images {
		images[i] = 2
	}
	features := make([]float32, 2*8*8)
	if err := s.Run(ctx, []Tensor{NewTensor(images, 1, 8, 8, 3)}, []Tensor{NewTensor(features, 1, 2, 8, 8)}); err != nil {
		_ = s.Close() // the run's error is the one to report
		return nil, err
	}
	// 27 neighbours inside, 18 at an edge, 12 in a corner; whole numbers are exact in TF32 too.
	if features[0] != 24 || features[1] != 36 || features[9] != 54 {
		_ = s.Close()
		return nil, fmt.Errorf("%s computes %v, %v, %v where 24, 36, 54 are right", device, features[0], features[1], features[9])
	}
	return s, nil
}
