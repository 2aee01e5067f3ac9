//go:build !windows

package dynlib

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

// fx_file_of names the file that holds a symbol, or NULL.
static const char *fx_file_of(void *symbol) {
  Dl_info info;
  return dladdr(symbol, &info) ? info.dli_fname : NULL;
}
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Library is a library opened by the system's loader.
type Library struct{ handle unsafe.Pointer }

// Open opens path, or a bare name that the loader looks up. With global, libraries opened later can use its symbols
// and refer to it by name.
func Open(path string, global bool) (Library, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	flags := C.int(C.RTLD_LAZY)
	if global {
		flags |= C.RTLD_GLOBAL
	}
	handle := C.dlopen(name, flags)
	if handle == nil {
		return Library{}, errors.New(C.GoString(C.dlerror()))
	}
	return Library{handle}, nil
}

// Symbol returns the address of a symbol, nil if it is missing.
func (l Library) Symbol(name string) unsafe.Pointer {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return C.dlsym(l.handle, text)
}

// File returns the path of the file with the symbol, "" if it is unknown.
func (l Library) File(name string) string {
	if at := l.Symbol(name); at != nil {
		return C.GoString(C.fx_file_of(at))
	}
	return ""
}

// Close closes the library. The loader keeps it if others use it.
func (l Library) Close() { C.dlclose(l.handle) }
