// Package pb holds the messages of the ONNX file format, generated from
// ../onnx.proto by ../generate.sh. Package onnx loads, vets, edits and saves
// them.
package pb
