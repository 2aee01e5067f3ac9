//go:build cgo

package kernels

import "testing"

// eachInstructionSet repeats a test with every instruction set of this processor.
func eachInstructionSet(t *testing.T, test func(t *testing.T)) {
	for _, name := range []string{"", "avx2", "generic"} {
		t.Run("instructions="+name, func(t *testing.T) {
			t.Setenv("FX_KERNELS_ISA", name)
			before := isa
			chooseInstructions()
			defer func() { isa = before }()
			test(t)
		})
	}
}
