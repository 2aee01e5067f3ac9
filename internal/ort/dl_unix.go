//go:build !windows

package ort

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

// sharedObject is a library opened by the system's loader.
type sharedObject struct{ handle unsafe.Pointer }

// openShared opens path, or a bare name that the loader looks up. With global,
// its symbols and its name serve the libraries opened after it.
func openShared(path string, global bool) (sharedObject, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	flags := C.int(C.RTLD_LAZY)
	if global {
		flags |= C.RTLD_GLOBAL
	}
	handle := C.dlopen(name, flags)
	if handle == nil {
		return sharedObject{}, errors.New(C.GoString(C.dlerror()))
	}
	return sharedObject{handle}, nil
}

// symbol returns the address of a symbol, nil where there is none.
func (o sharedObject) symbol(name string) unsafe.Pointer {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return C.dlsym(o.handle, text)
}

// file names the file that holds the symbol, "" where that is unknown.
func (o sharedObject) file(name string) string {
	if at := o.symbol(name); at != nil {
		return C.GoString(C.fx_file_of(at))
	}
	return ""
}

func (o sharedObject) close() { C.dlclose(o.handle) }
