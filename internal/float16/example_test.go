package float16_test

import (
	"fmt"

	"fx/internal/float16"
)

func Example() {
	bits := float16.Bits(0.1)
	fmt.Printf("%#04x %v\n", bits, float16.Float32(bits))
	// Output: 0x2e66 0.099975586
}
