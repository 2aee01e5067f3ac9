// Package orttest gives tests the ONNX Runtime of the machine:
//
//	rt := orttest.Runtime(t) // skips the test where there is none
package orttest
