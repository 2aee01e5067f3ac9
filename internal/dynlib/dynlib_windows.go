package dynlib

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// Library is a library opened by the system's loader.
type Library struct {
	handle windows.Handle
}

// Open opens path, or a bare name that the loader looks up. Windows
// always shares a loaded library by its name, so global changes nothing.
func Open(path string, _ bool) (Library, error) {
	handle, err := windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	return Library{handle}, err
}

// Symbol returns the address of a symbol, nil where there is none.
func (l Library) Symbol(name string) unsafe.Pointer {
	at, err := windows.GetProcAddress(l.handle, name)
	if err != nil {
		return nil
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&at)) // an address of C's, not of Go's memory
}

// File names the library's file, "" where that is unknown.
func (l Library) File(string) string {
	var name [windows.MAX_LONG_PATH]uint16
	n, err := windows.GetModuleFileName(l.handle, &name[0], uint32(len(name)))
	if err != nil {
		return ""
	}
	return windows.UTF16ToString(name[:n])
}

// Close gives the library up.
func (l Library) Close() { _ = windows.FreeLibrary(l.handle) }
