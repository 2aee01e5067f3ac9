// Package ortapi holds the header of ONNX Runtime's C API, so that C code calls
// the API by name and with the types that the compiler checks:
//
//	#cgo CFLAGS: -I${SRCDIR}/../ortapi
//	#include "onnxruntime_c_api.h"
//	…
//	status = api->CreateIoBinding(session, &binding);
//
// The header is a copy of the one that onnxruntime_go has in its module, because
// cgo cannot include a file by its module's path. TestTheHeaderIsTheBindings fails
// where they differ: whoever updates the binding copies both files anew.
package ortapi
