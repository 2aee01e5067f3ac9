// Package pb holds the messages of the ONNX file format, generated from
// ../onnx.proto by ../generate.sh. Package onnx loads, vets, edits and saves
// them:
//
//	model := &pb.ModelProto{IrVersion: 8, Graph: &pb.GraphProto{Name: "empty"}}
package pb
