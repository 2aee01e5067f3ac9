package dynlib

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// Library is a library opened by the system's loader.
type Library struct {
	handle windows.Handle
}

// Open opens path, or a bare name that the loader looks up. Windows always shares a loaded library by its name, so
// global has no effect.
func Open(path string, _ bool) (Library, error) {
	handle, err := windows.LoadLibraryEx(path, 0, windows.LOAD_WITH_ALTERED_SEARCH_PATH)
	return Library{handle}, err
}

// Symbol returns the address of a symbol, nil if it is missing.
func (l Library) Symbol(name string) unsafe.Pointer {
	at, err := windows.GetProcAddress(l.handle, name)
	if err != nil {
		return nil
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&at)) // an address in C's memory, not Go's
}

// File returns the path of the library, "" if it is unknown.
func (l Library) File(string) string {
	var name [windows.MAX_LONG_PATH]uint16
	n, err := windows.GetModuleFileName(l.handle, &name[0], uint32(len(name)))
	if err != nil {
		return ""
	}
	return windows.UTF16ToString(name[:n])
}

// Close closes the library.
func (l Library) Close() { _ = windows.FreeLibrary(l.handle) }
