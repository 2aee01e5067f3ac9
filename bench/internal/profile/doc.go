// Package profile reads the profiles that ONNX Runtime writes, and says where the
// time of a run went, by operator and by node.
package profile
