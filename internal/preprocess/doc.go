// Package preprocess describes how a photo becomes a network's input.
//
// It holds only the description, which the registry, the manifest, the model folder and the metadata of an ONNX file
// share. Package imaging resizes and crops; the graph normalises.
package preprocess
