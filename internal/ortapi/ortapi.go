package ortapi

/*
#include "onnxruntime_c_api.h"

typedef const OrtApiBase *(*get_api_base)(void);

static const char *library_version(void *base) {
  const OrtApiBase *b = ((get_api_base)base)();
  return b ? b->GetVersionString() : NULL;
}

static const OrtApi *table(void *base) {
  const OrtApiBase *b = ((get_api_base)base)();
  return b ? b->GetApi(ORT_API_VERSION) : NULL;
}
*/
import "C"

import "unsafe"

// Version is the version of the API that the header declares. ONNX Runtime 1.N
// serves it from N = Version on.
const Version = int(C.ORT_API_VERSION)

// LibraryVersion asks a library, whose symbol OrtGetApiBase is given, for its
// version, such as "1.31.1".
func LibraryVersion(getAPIBase unsafe.Pointer) string {
	return C.GoString(C.library_version(getAPIBase))
}

// Table returns a library's OrtApi of Version, nil where the library is older.
func Table(getAPIBase unsafe.Pointer) unsafe.Pointer {
	return unsafe.Pointer(C.table(getAPIBase))
}
