// Package doctor examines the machine for `fx runtime doctor`: which ONNX Runtime is in use, whether the CPU and the
// GPU compute, what is missing, and the command that fixes it.
package doctor
