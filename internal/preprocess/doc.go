// Package preprocess describes how a photo becomes a network's input.
//
// It holds the description alone, so that the registry, the manifest, the model
// folder and the metadata of an ONNX file all say it in the same words;
// internal/imaging carries it out on pixels and the graph normalises.
package preprocess
