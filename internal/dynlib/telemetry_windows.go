package dynlib

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// setForC sets a variable in the environment of the C runtime, which copies Windows' when the process starts and does
// not see Go's os.Setenv.
func setForC(name, value string) {
	put := windows.NewLazySystemDLL("ucrtbase.dll").NewProc("_putenv_s")
	n, err := windows.BytePtrFromString(name)
	if err != nil {
		return
	}
	v, err := windows.BytePtrFromString(value)
	if err != nil || put.Find() != nil {
		return
	}
	_, _, _ = put.Call(uintptr(unsafe.Pointer(n)), uintptr(unsafe.Pointer(v))) // fails for malformed names only
}
