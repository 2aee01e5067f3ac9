//go:build cgo

package kernels_test

import (
	"fmt"
	"os"

	"fx/internal/kernels"
)

func ExampleInstructionSet() {
	os.Setenv("FX_KERNELS_ISA", "generic") // as on a processor without AVX2
	defer os.Unsetenv("FX_KERNELS_ISA")
	fmt.Println(kernels.InstructionSet())
	// Output: generic
}
