package doctor

import (
	"context"
	"runtime"
	"slices"

	"fx/internal/cuda"
	"fx/internal/fail"
	"fx/internal/nativelib"
	"fx/internal/ort"
)

// Report is what the doctor found.
type Report struct {
	System     string                `json:"system"` // such as "linux/amd64"
	Origin     Origin                `json:"origin"`
	Library    *nativelib.Library    `json:"library,omitempty"`
	SHA256     string                `json:"sha256,omitempty"` // of the library
	Trust      nativelib.Trust       `json:"trust,omitempty"`  // what its SHA-256 was compared with
	Candidates []nativelib.Candidate `json:"candidates"`       // every place looked at, in order
	Providers  []string              `json:"providers,omitempty"`
	CPU        Check                 `json:"cpu"`
	CUDA       CUDAReport            `json:"cuda"`
	Installed  []Installed           `json:"installed,omitempty"` // installations in fx's cache
}

// Check is whether something works, and if not, why and how to fix it.
type Check struct {
	Works   bool   `json:"works"`
	Problem string `json:"problem,omitempty"`
	Fix     string `json:"mend,omitempty"` // a sentence with the command to run
}

// CUDAReport is whether the GPU can be used.
type CUDAReport struct {
	Check
	Driver    string     `json:"driver,omitempty"`      // its version, such as "580.65.06"
	DriverFor string     `json:"driver_cuda,omitempty"` // the newest CUDA that it supports, such as "13.0"
	BuiltFor  int        `json:"library_cuda,omitempty"`
	GPUs      []cuda.GPU `json:"gpus,omitempty"`
	Libraries []string   `json:"libraries,omitempty"` // NVIDIA's libraries that fx opens, in order
}

// Installed is an installation in fx's cache.
type Installed struct {
	Folder      string `json:"folder"`
	Requirement string `json:"requirement,omitempty"`
	Check
}

// Examine checks everything that extraction needs from the machine: which libonnxruntime is used and which were
// skipped, whether the CPU and the CUDA provider compute correctly, and which GPU and driver there are. It loads the
// library, so run it in its own process. explicit is --ort-lib.
func Examine(ctx context.Context, explicit string) Report {
	r := Report{System: runtime.GOOS + "/" + runtime.GOARCH, Origin: origin()}
	library, candidates, err := nativelib.Survey(explicit)
	r.Candidates = candidates
	for _, i := range nativelib.Installations(ctx) {
		r.Installed = append(r.Installed, Installed{i.Folder, i.Requirement, checkOf(i.Problem)})
	}
	driver, noGPU := cuda.Ask()
	r.CUDA.GPUs = driver.GPUs
	if driver.Major > 0 {
		r.CUDA.DriverFor = driver.CUDA()
	}
	r.CUDA.Driver = cuda.DriverNumber()
	if noGPU != nil {
		r.CUDA.Check = checkOf(noGPU)
	}
	var rt *ort.Runtime
	if err == nil {
		r.Library = &library
		r.SHA256, r.Trust = library.Integrity(ctx)
		rt, err = ort.Load(explicit)
	}
	if err != nil {
		r.CPU = checkOf(err)
		if noGPU == nil {
			r.CUDA.Check = checkOf(err)
		}
		return r
	}
	r.Providers = rt.Providers()
	r.CPU = checkOf(selfTest(ctx, rt, ort.CPU))
	r.CUDA.BuiltFor = library.CUDAVersion()
	if slices.Contains(r.Providers, "CUDAExecutionProvider") {
		r.CUDA.Libraries = library.CUDALibraries()
	}
	if noGPU == nil {
		r.CUDA.Check = checkOf(selfTest(ctx, rt, ort.CUDA))
	}
	return r
}

// checkOf returns the Check of an error, or that it works if err is nil.
func checkOf(err error) Check {
	if err == nil {
		return Check{Works: true}
	}
	return Check{Problem: err.Error(), Fix: fail.HintOf(err)}
}
