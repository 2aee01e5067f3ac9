package ort

import (
	"context"
	"path/filepath"

	"fx/internal/fail"
	"fx/internal/paths"
)

// Report is what the doctor found.
type Report struct {
	System     string      `json:"system"` // such as "linux/amd64"
	Library    *Library    `json:"library,omitempty"`
	SHA256     string      `json:"sha256,omitempty"` // of the library
	Trust      Trust       `json:"trust,omitempty"`  // what its SHA-256 was compared with
	Candidates []Candidate `json:"candidates"`       // every place looked at, in order
	Providers  []string    `json:"providers,omitempty"`
	CPU        Check       `json:"cpu"`
	CUDA       CUDAReport  `json:"cuda"`
	Installed  []Installed `json:"installed,omitempty"` // what lies in fx's cache
}

// Check says whether something works, and if not, why and what mends it.
type Check struct {
	Works   bool   `json:"works"`
	Problem string `json:"problem,omitempty"`
	Mend    string `json:"mend,omitempty"` // a sentence with the command to run
}

// CUDAReport says whether the GPU can be used.
type CUDAReport struct {
	Check
	Driver    string   `json:"driver,omitempty"`      // NVIDIA's number, such as "580.65.06"
	DriverFor string   `json:"driver_cuda,omitempty"` // the newest CUDA that it serves, such as "13.0"
	BuiltFor  int      `json:"library_cuda,omitempty"`
	GPUs      []GPU    `json:"gpus,omitempty"`
	Libraries []string `json:"libraries,omitempty"` // NVIDIA's libraries that fx opens, in order
}

// Installed is an installation in fx's cache.
type Installed struct {
	Folder      string `json:"folder"`
	Requirement string `json:"requirement,omitempty"`
	Check
}

// Diagnose looks at everything that extraction needs of the machine: which
// libonnxruntime would be taken and which were passed over, whether the CPU and
// the CUDA provider really compute, which GPU and driver there are. It loads
// the library, so it belongs into a process of its own. Explicit is --ort-lib.
func Diagnose(ctx context.Context, explicit string) Report {
	r := Report{System: system()}
	library, candidates, err := find(explicit, true)
	r.Candidates = candidates
	r.Installed = installedIn(ctx)
	driver, problem := askDriver()
	r.CUDA.GPUs = driver.gpus
	if driver.major > 0 {
		r.CUDA.DriverFor = driver.version()
	}
	r.CUDA.Driver = driverNumber()
	if problem != nil {
		r.CUDA.Check = problem.check()
	}
	if err != nil {
		r.CPU = checkOf(err)
		if problem == nil {
			r.CUDA.Check = checkOf(err)
		}
		return r
	}
	r.Library = &library
	r.SHA256, r.Trust = library.integrity(ctx)
	rt, err := Load(library)
	if err != nil {
		r.CPU = checkOf(err)
		return r
	}
	r.Providers = rt.Providers()
	r.CPU = rt.checkDevice(ctx, CPU)
	r.CUDA.BuiltFor = library.cudaMajor()
	if rt.hasCUDA() {
		folders := library.nvidiaFolders()
		r.CUDA.Libraries, _ = provide(append(neededBy(library.cudaProviderFile()), library.lateNames(folders)...), folders)
	}
	if problem == nil {
		r.CUDA.Check = rt.checkDevice(ctx, CUDA)
	}
	return r
}

func (rt *Runtime) checkDevice(ctx context.Context, device Device) Check {
	s, err := rt.selfTest(ctx, device)
	if err != nil {
		return checkOf(err)
	}
	if err := s.Close(); err != nil {
		return checkOf(err)
	}
	return Check{Works: true}
}

func checkOf(err error) Check { return Check{Problem: err.Error(), Mend: fail.HintOf(err)} }

func (o *obstacle) check() Check { return Check{Problem: o.what, Mend: o.mend} }

// installedIn checks every installation of this version in fx's cache.
func installedIn(ctx context.Context) []Installed {
	root, err := paths.Cache("runtime")
	if err != nil {
		return nil
	}
	var all []Installed
	for _, build := range []flavour{cpuBuild, gpuBuild} {
		dir := filepath.Join(root, build.folder())
		record, err := readRecord(dir)
		if err != nil {
			continue
		}
		one := Installed{Folder: dir, Requirement: record.Requirement, Check: Check{Works: true}}
		if err := record.verify(ctx, dir); err != nil {
			one.Check = Check{Problem: err.Error(), Mend: "Run `" + build.installCommand() + "`."}
		}
		all = append(all, one)
	}
	return all
}
