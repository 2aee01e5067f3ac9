package dynlib

import (
	"fmt"
	"unsafe"
)

// Bind stores the addresses of functions, by their names, in pointers to C function pointers. The error names the
// first missing function.
func (l Library) Bind(functions map[string]unsafe.Pointer) error {
	for name, to := range functions {
		at := l.Symbol(name)
		if at == nil {
			return fmt.Errorf("lacks %s", name)
		}
		*(*unsafe.Pointer)(to) = at
	}
	return nil
}
