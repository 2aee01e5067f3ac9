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

// Version is the version of the API that the header declares. ONNX Runtime 1.Version and newer support it.
const Version = int(C.ORT_API_VERSION)

// LibraryVersion returns the version, such as "1.31.1", of the library with the symbol OrtGetApiBase.
func LibraryVersion(getAPIBase unsafe.Pointer) string {
	return C.GoString(C.library_version(getAPIBase))
}

// Table returns a library's OrtApi of Version, nil if the library is too old.
func Table(getAPIBase unsafe.Pointer) unsafe.Pointer {
	return unsafe.Pointer(C.table(getAPIBase))
}
