package ort

import (
	"slices"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"fx/internal/dynlib"
	"fx/internal/fail"
	"fx/internal/machine"
	"fx/internal/nativelib"
	"fx/internal/ortapi"
)

// Runtime is a loaded ONNX Runtime. A process has only one.
type Runtime struct {
	library   nativelib.Library
	api       api
	providers []string
}

// Like onnxruntime_go, this package has one library and one environment per process.
var loaded struct {
	sync.Mutex
	runtime *Runtime
}

// Load finds a libonnxruntime with nativelib.Find(explicit), where explicit is --ort-lib or "", opens it and creates
// ONNX Runtime's environment. Later calls return the same Runtime. Another library in the same process is an error,
// because two ONNX Runtimes cannot share a process. Errors are of kind fail.Device. It is safe for concurrent use.
func Load(explicit string) (*Runtime, error) {
	loaded.Lock()
	defer loaded.Unlock()
	library, err := nativelib.Find(explicit)
	if err != nil {
		return nil, err
	}
	if loaded.runtime != nil {
		if loaded.runtime.library.Path != library.Path {
			return nil, fail.New(fail.Device, "Use one libonnxruntime per process.",
				"%s cannot be loaded: %s is loaded already", library.Path, loaded.runtime.library.Path)
		}
		return loaded.runtime, nil
	}
	runtime, err := load(library)
	if err != nil {
		return nil, err
	}
	loaded.runtime = runtime
	return runtime, nil
}

// descriptors is how many more files the process must be able to open for ONNX Runtime, its libraries and their
// callers. ONNX Runtime crashes if it can't open one.
const descriptors = 32

func load(library nativelib.Library) (*Runtime, error) {
	if err := machine.NeedDescriptors(descriptors); err != nil {
		return nil, err
	}
	opened, err := dynlib.Open(library.Path, false) // never closed: its table is used from now on
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "%s", library.Path)
	}
	table := newAPI(opened.Symbol("OrtGetApiBase"))
	if table.table == nil {
		opened.Close()
		return nil, fail.New(fail.Device, nativelib.Hint, "%s: ONNX Runtime %s does not support API version %d",
			library.Path, library.Version, ortapi.Version)
	}
	onnxruntime.SetSharedLibraryPath(library.Path)
	// Errors are also return values, so ONNX Runtime need not write to stderr.
	if err := onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelFatal()); err != nil {
		opened.Close()
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "%s", library.Path)
	}
	// On Windows, where the variable that dynlib sets has no effect, this disables further events to the system's
	// tracing. The start event is already sent. A build without telemetry may return an error.
	_ = onnxruntime.DisableTelemetry()
	providers, err := table.providers()
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "%s: its list of providers", library.Path)
	}
	return &Runtime{library: library, api: table, providers: providers}, nil
}

// Library returns the loaded library.
func (rt *Runtime) Library() nativelib.Library { return rt.library }

// Providers returns the providers that are compiled into the library, such as "CUDAExecutionProvider". They need not
// work on this machine.
func (rt *Runtime) Providers() []string { return slices.Clone(rt.providers) }

const cudaProvider = "CUDAExecutionProvider"

func (rt *Runtime) hasCUDA() bool { return slices.Contains(rt.providers, cudaProvider) }
