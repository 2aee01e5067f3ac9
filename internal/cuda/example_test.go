package cuda_test

import (
	"fmt"

	"fx/internal/cuda"
)

func ExampleGPU() {
	fmt.Println(cuda.GPU{Name: "NVIDIA H100 80GB HBM3", MemoryBytes: 80 << 30})
	fmt.Println("CUDA " + cuda.Driver{Major: 13}.CUDA())
	// Output:
	// NVIDIA H100 80GB HBM3 (80 GiB)
	// CUDA 13.0
}
