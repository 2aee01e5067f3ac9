// Package profile reads ONNX Runtime's profiles and returns the time of a run by operator
// and by node.
package profile
