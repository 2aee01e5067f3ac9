// Package classify makes and uses a MODEL: a frozen backbone with a trained head.
//
// Fit trains a head on a store's embeddings and writes the MODEL folder.
// EvaluateStore and EvaluateData evaluate a MODEL, Predict applies it to photos, and
// Export writes it as a single ONNX file. Quickstart does all of this for a folder of
// photos, and reports how good the result is.
package classify
