package ort

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// sharedObject is a library opened by the system's loader.
type sharedObject struct {
	handle windows.Handle
}

// openShared opens path, or a bare name that the loader looks up. Windows
// always shares a loaded library by its name, so global changes nothing.
func openShared(path string, _ bool) (sharedObject, error) {
	handle, err := windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	return sharedObject{handle}, err
}

// symbol returns the address of a symbol, nil where there is none.
func (o sharedObject) symbol(name string) unsafe.Pointer {
	at, err := windows.GetProcAddress(o.handle, name)
	if err != nil {
		return nil
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&at)) // an address of C's, not of Go's memory
}

// file names the library's file, "" where that is unknown.
func (o sharedObject) file(string) string {
	var name [windows.MAX_LONG_PATH]uint16
	n, err := windows.GetModuleFileName(o.handle, &name[0], uint32(len(name)))
	if err != nil {
		return ""
	}
	return windows.UTF16ToString(name[:n])
}

func (o sharedObject) close() { _ = windows.FreeLibrary(o.handle) }
