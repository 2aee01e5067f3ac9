package onnx

import (
	"encoding/binary"
	"slices"

	"fx/internal/float16"
	"fx/internal/onnx/pb"
)

// typeAttributes are the attributes that hold a type of values, such as Cast's.
var typeAttributes = []string{"to", "dtype", "output_dtype", "stash_type", "softmax_precision"}

// WidenHalves makes a model of float16 values one of float32 values, which hold each
// weight exactly. It reports whether there were any.
func WidenHalves(m *pb.ModelProto) (found bool, err error) {
	const half, single = pb.TensorProto_FLOAT16, pb.TensorProto_FLOAT
	err = eachTensor(m, func(t *pb.TensorProto) error {
		if t.DataType != half {
			return nil
		}
		found = true
		bits := t.Int32Data
		for raw := t.RawData; len(raw) > 1; raw = raw[2:] {
			bits = append(bits, int32(binary.LittleEndian.Uint16(raw)))
		}
		values := make([]float32, len(bits))
		for i, v := range bits {
			values[i] = float16.Float32(uint16(v))
		}
		wide := NewFloat32(t.Name, t.Dims, values)
		t.DataType, t.RawData, t.Int32Data = single, wide.RawData, nil
		return nil
	})
	if err != nil {
		return found, err
	}
	nodes := func(list []*pb.NodeProto) {
		for _, n := range list {
			for _, a := range n.Attribute {
				if a.Type == pb.AttributeProto_INT && a.I == int64(half) && slices.Contains(typeAttributes, a.Name) {
					found, a.I = true, int64(single)
				}
			}
		}
	}
	for _, f := range m.Functions {
		nodes(f.Node)
	}
	err = eachGraph(m, func(g *pb.GraphProto) error {
		nodes(g.Node)
		for _, v := range slices.Concat(g.Input, g.Output, g.ValueInfo) {
			if t := v.GetType().GetTensorType(); t.GetElemType() == half {
				found, t.ElemType = true, single
			}
		}
		return nil
	})
	return found, err
}
