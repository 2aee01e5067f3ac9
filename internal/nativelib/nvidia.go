package nativelib

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"fx/internal/cuda"
	"fx/internal/dynlib"
	"fx/internal/fail"
	"fx/internal/paths"
)

// The CUDA provider needs NVIDIA's libraries. Python packages contain them, in folders that the system's loader does
// not search. Each is opened by its path with RTLD_GLOBAL, after its dependencies; the loader then uses it for every
// later library that asks for its name. So LD_LIBRARY_PATH is not needed.

// openedByName are libraries that the provider opens by name at run time, so no ELF header lists them: cuDNN, which
// opens its parts in its own folder, cuFFT, and NVRTC, with which cuDNN compiles kernels.
var openedByName = []string{"libnvrtc.so.%d", "libcufft.so.%s", "libcudnn.so.9"}

// cudaProviderFile returns the path of the provider's library, beside the main one.
func (l Library) cudaProviderFile() string {
	name := "libonnxruntime_providers_cuda.so"
	if runtime.GOOS == "windows" {
		name = "onnxruntime_providers_cuda.dll"
	}
	path, err := filepath.EvalSymlinks(l.Path)
	if err != nil {
		path = l.Path
	}
	return filepath.Join(filepath.Dir(path), name)
}

var runtimeOfCUDA = regexp.MustCompile(`^libcudart\.so\.(\d+)`)

// CUDAVersion returns the major version of CUDA that the provider was built for, from its ELF header, or 0 if it is
// unknown.
func (l Library) CUDAVersion() int {
	for _, name := range neededBy(l.cudaProviderFile()) {
		if m := runtimeOfCUDA.FindStringSubmatch(name); m != nil {
			major, _ := strconv.Atoi(m[1])
			return major
		}
	}
	return 0
}

// neededBy returns the libraries that the header of an ELF file names.
func neededBy(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil // not ELF: other systems find the libraries themselves
	}
	defer func() { _ = f.Close() }() // only read
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil
	}
	return names
}

// nvidiaFolders returns the folders that may contain NVIDIA's libraries: beside the library (in fx's cache or a Python
// environment), in the cache's GPU build, and in the active virtual environment, torch's included.
func (l Library) nvidiaFolders() []string {
	roots := []string{filepath.Dir(l.Path), filepath.Join(filepath.Dir(l.Path), "..", "..")}
	if cache, err := paths.Cache("runtime", gpuBuild.folder()); err == nil {
		roots = append(roots, cache)
	}
	for _, root := range []string{os.Getenv("VIRTUAL_ENV"), os.Getenv("CONDA_PREFIX"), ownEnvironment()} {
		roots = append(roots, sitePackages(root)...)
	}
	var all []string
	for _, root := range roots {
		for _, pattern := range []string{"nvidia/*/lib", "nvidia/*/lib64", "torch/lib"} {
			found, _ := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
			for _, dir := range found {
				if dir = filepath.Clean(dir); !slices.Contains(all, dir) {
					all = append(all, dir)
				}
			}
		}
	}
	return all
}

// provide returns the libraries to open for the names, each after its dependencies, and the names that no folder has.
func provide(names, folders []string) (order, absent []string) {
	seen := map[string]bool{}
	var visit func(name string, direct bool)
	visit = func(name string, direct bool) {
		if seen[name] {
			return
		}
		seen[name] = true
		path := lookIn(folders, name)
		if path == "" {
			if direct {
				absent = append(absent, name)
			}
			return
		}
		for _, needed := range neededBy(path) {
			visit(needed, false)
		}
		order = append(order, path)
	}
	for _, name := range names {
		visit(name, true)
	}
	return order, absent
}

func lookIn(folders []string, name string) string {
	for _, dir := range folders {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

var preloaded struct {
	sync.Mutex
	done bool
}

// CUDALibraries returns the files of NVIDIA's libraries that OpenCUDA opens, in order.
func (l Library) CUDALibraries() []string {
	folders := l.nvidiaFolders()
	order, _ := provide(append(neededBy(l.cudaProviderFile()), l.lateNames(folders)...), folders)
	return order
}

// OpenCUDA opens NVIDIA's libraries, once in a process, so that ONNX Runtime's CUDA
// provider finds them. Only Linux needs that. Errors are of kind fail.Device.
func (l Library) OpenCUDA() error {
	preloaded.Lock()
	defer preloaded.Unlock()
	if preloaded.done || runtime.GOOS != "linux" {
		return nil
	}
	var err error
	cuda.KeepSignals(func() { err = l.openNVIDIA() })
	preloaded.done = err == nil
	return err
}

const nvidiaAdvice = "Run `fx runtime install --gpu --force`, which fetches them with pip or uv, or install CUDA and " +
	"cuDNN on this system."

func (l Library) openNVIDIA() error {
	provider := l.cudaProviderFile()
	if _, err := os.Stat(provider); errors.Is(err, fs.ErrNotExist) {
		return fail.New(fail.Device,
			"Run `fx runtime install --gpu --force`, or name a complete ONNX Runtime with --ort-lib.",
			"%s is missing", provider)
	}
	folders := l.nvidiaFolders()
	needed := neededBy(provider)
	order, absent := provide(append(needed, l.lateNames(folders)...), folders)
	shared := filepath.Join(filepath.Dir(provider), strings.Replace(filepath.Base(provider), "_cuda", "_shared", 1))
	for _, path := range append([]string{provider, shared}, order...) { // ONNX Runtime opens the first two itself
		if err := checkBeforeOpening(path); err != nil {
			return fail.New(fail.Device, "Run `"+gpuBuild.installCommand()+"`, which fetches it again.", "%s %s", path,
				err)
		}
	}
	for _, path := range order {
		if _, err := dynlib.Open(path, true); err != nil {
			return fail.Wrap(fail.Device, err, nvidiaAdvice, "an NVIDIA library does not load")
		}
	}
	var missing []string
	for _, name := range absent { // the system's own libraries, or a CUDA toolkit's
		if _, err := dynlib.Open(name, false); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fail.New(fail.Device, nvidiaAdvice, "the CUDA provider needs %s", strings.Join(missing, ", "))
	}
	return nil
}

// lateNames returns the libraries that are opened by name at run time. cuFFT's version differs from CUDA's, so the
// installed one is taken.
func (l Library) lateNames(folders []string) []string {
	var names []string
	for _, name := range openedByName {
		switch {
		case strings.Contains(name, "%d"):
			names = append(names, fmt.Sprintf(name, l.CUDAVersion()))
		case strings.Contains(name, "%s"):
			for _, dir := range folders {
				found, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf(name, "*")))
				for _, path := range found {
					names = append(names, filepath.Base(path))
				}
			}
		default:
			names = append(names, name)
		}
	}
	return names
}
