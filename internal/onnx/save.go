package onnx

import (
	"google.golang.org/protobuf/proto"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/onnx/pb"
)

// Marshal returns the bytes of m: the same bytes for the same model. A model
// above 2 GiB does not fit the format and is an error of kind fail.Model.
func Marshal(m *pb.ModelProto) ([]byte, error) {
	if size := proto.Size(m); size > protobufEnd {
		return nil, fail.New(fail.Model, "Use a smaller network: an ONNX file, and a model in memory for ONNX "+
			"Runtime, is limited to 2 GiB.",
			"the model %q takes %d bytes", m.GetGraph().GetName(), size)
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return data, fail.Wrap(fail.Model, err, "", "encode the model %q", m.GetGraph().GetName())
}

// Save writes m to path durably, completely or not at all.
func Save(path string, m *pb.ModelProto) error {
	data, err := Marshal(m)
	if err != nil {
		return err
	}
	return fail.Wrap(fail.Other, durable.WriteBytes(path, data), "", "save ONNX file %s", path)
}
