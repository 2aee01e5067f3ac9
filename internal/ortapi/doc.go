// Package ortapi holds the header of ONNX Runtime's C API, so that the compiler checks the types of C code that calls
// it. Such code includes "onnxruntime_c_api.h" and adds this folder to its CFLAGS (-I${SRCDIR}/../ortapi).
//
// The header is a copy of the one in onnxruntime_go, because cgo cannot include a file by its module's path.
// TestTheHeaderIsTheBindings fails if they differ: an update of the binding must copy both files again.
package ortapi
