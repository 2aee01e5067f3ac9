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

// Runtime is a loaded ONNX Runtime. There is one in a process.
type Runtime struct {
	library   nativelib.Library
	api       api
	providers []string
}

// onnxruntime_go holds one library and one environment for the whole process;
// so does this package.
var loaded struct {
	sync.Mutex
	runtime *Runtime
}

// Load finds a libonnxruntime, as nativelib.Find does for explicit (--ort-lib, or ""),
// opens it and makes ONNX Runtime's environment. Later calls return the same Runtime;
// asking for another library in the same process is an error, since two ONNX Runtimes
// cannot share one. Errors are of kind fail.Device. Safe for concurrent use.
func Load(explicit string) (*Runtime, error) {
	loaded.Lock()
	defer loaded.Unlock()
	library, err := nativelib.Find(explicit)
	if err != nil {
		return nil, err
	}
	if loaded.runtime != nil {
		if loaded.runtime.library.Path != library.Path {
			return nil, fail.New(fail.Device, "Use one libonnxruntime a process.",
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

// descriptors is how many files must be left to open for ONNX Runtime, its libraries and whoever
// uses it: ONNX Runtime crashes where it can't open one.
const descriptors = 32

func load(library nativelib.Library) (*Runtime, error) {
	if err := machine.NeedDescriptors(descriptors); err != nil {
		return nil, err
	}
	opened, err := dynlib.Open(library.Path, false) // stays open: its table is in use from now on
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "%s", library.Path)
	}
	table := newAPI(opened.Symbol("OrtGetApiBase"))
	if table.table == nil {
		opened.Close()
		return nil, fail.New(fail.Device, nativelib.Hint, "%s: ONNX Runtime %s does not serve API version %d", library.Path, library.Version, ortapi.Version)
	}
	onnxruntime.SetSharedLibraryPath(library.Path)
	// Every error comes back as a return value too, so ONNX Runtime itself writes nothing to stderr.
	if err := onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelFatal()); err != nil {
		opened.Close()
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "%s", library.Path)
	}
	// On Windows, where the variable that dynlib sets has no effect, this ends the events that ONNX Runtime hands to the
	// system's tracing; the one of its start has gone by then. A build without telemetry may refuse.
	_ = onnxruntime.DisableTelemetry()
	providers, err := table.providers()
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "%s: its list of providers", library.Path)
	}
	return &Runtime{library: library, api: table, providers: providers}, nil
}

// Library returns what is loaded.
func (rt *Runtime) Library() nativelib.Library { return rt.library }

// Providers names what is compiled into the library, such as
// "CUDAExecutionProvider". That it is listed does not mean that it works here.
func (rt *Runtime) Providers() []string { return slices.Clone(rt.providers) }

const cudaProvider = "CUDAExecutionProvider"

func (rt *Runtime) hasCUDA() bool { return slices.Contains(rt.providers, cudaProvider) }
