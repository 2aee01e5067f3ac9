package dynlib

import (
	"fmt"
	"unsafe"
)

// Bind stores the addresses of functions, by their names, in pointers to C
// function pointers. It is an error that names the first one that is missing.
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
