// Package orttest gives tests the ONNX Runtime of the machine, and skips them if there is none.
package orttest
