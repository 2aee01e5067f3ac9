package ort

import "fmt"

// GPU is an NVIDIA device.
type GPU struct {
	ID           int    `json:"id"`
	Name         string `json:"name"`
	MemoryBytes  int64  `json:"memory_bytes"`
	Capability   string `json:"compute_capability"` // "9.0"
	DriverCUDA   string `json:"driver_cuda"`        // the newest CUDA that the driver serves: "13.0"
	driverNumber int
}

// String says what a user recognises: "NVIDIA H100 (80 GiB)".
func (g GPU) String() string {
	return fmt.Sprintf("%s (%d GiB)", g.Name, (g.MemoryBytes+1<<29)>>30)
}

// cudaReady says which GPU the provider would use, or what keeps it from working.
func (rt *Runtime) cudaReady(id int) (GPU, *obstacle) {
	if !rt.hasCUDA() {
		return GPU{}, &obstacle{fmt.Sprintf("the library %s has no CUDA provider", rt.library.Path), "Run `fx runtime install --gpu`, or take --device cpu."}
	}
	return GPU{}, &obstacle{"no NVIDIA driver (libcuda.so.1 not found)", ""}
}

// driverInstalled tells whether NVIDIA's driver library can be opened.
func driverInstalled() bool {
	opened, err := openShared("libcuda.so.1", false)
	if err == nil {
		opened.close()
	}
	return err == nil
}
