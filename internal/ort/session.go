package ort

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"fx/internal/cuda"
	"fx/internal/fail"
	"fx/internal/kernels"
	"fx/internal/nativelib"
)

// SessionOptions are the options of a session. The zero value is the best available device, one thread per CPU that
// the process may use, and all optimizations.
type SessionOptions struct {
	Device Device

	// Threads work on one Run together (ONNX Runtime's intra-op threads); 0 is GOMAXPROCS. For throughput on the CPU,
	// use 1 and call Run in as many goroutines as there are cores. Waiting threads never spin.
	Threads int

	// Lean allocates memory for each node as it runs, instead of one block planned for all nodes. It halves the memory
	// of a training step, whose values live from the forward to the backward pass, and takes no more time.
	Lean bool

	// Optimization of the graph: "all" (or ""), "extended", "basic" or "none".
	Optimization string

	// OptimizedFile, if not empty, is the file to which ONNX Runtime writes the optimized graph.
	OptimizedFile string

	// ProfilePrefix, if not empty, makes ONNX Runtime write a profile of every node to PREFIX_TIME.json when the
	// session closes.
	ProfilePrefix string

	// Capture captures the runs of each Binding as a CUDA graph, if the session runs on CUDA and all shapes are fixed;
	// see CaptureProblem.
	Capture bool

	// Nodes records which provider runs each node.
	Nodes bool

	// CUDA overrides cudaDefaults. Keys are the option names of ONNX Runtime's CUDA provider. The environment variable
	// CUDAVariable overrides both.
	CUDA map[string]string
}

// Info describes an input or an output of a session.
type Info struct {
	Name    string
	DType   DType    // 0 if it is no tensor
	Shape   []int64  // -1 if the size is not fixed
	Symbols []string // names of the sizes, such as "batch"; "" if a size has none
}

// Session is a loaded network. Run is safe for concurrent use.
type Session struct {
	runtime  *Runtime
	handle   *onnxruntime.DynamicAdvancedSession
	session  *ortSession // of handle
	inputs   []Info
	outputs  []Info
	inNames  names
	outNames names
	placed   placement
	settings map[string]string
	metadata map[string]string
	capture  capture

	open     sync.RWMutex // locked for reading by Run, for writing by Close
	closed   bool
	firstRun sync.Once
}

// NewSession loads a model from the bytes of an ONNX file, which it does not keep. Errors: fail.Device if the
// requested device is not available ("cuda" never falls back to the CPU), fail.Model if ONNX Runtime refuses the
// model.
func (rt *Runtime) NewSession(model []byte, options SessionOptions) (*Session, error) {
	if len(model) == 0 {
		return nil, fail.New(fail.Model, "", "the ONNX model is empty")
	}
	s, err := rt.openOn(model, options)
	if err != nil && options.Capture && strings.Contains(err.Error(), captureRefused) {
		reason := err
		options.Capture = false
		if s, err = rt.openOn(model, options); err == nil {
			s.capture.fail(reason.Error())
		}
	}
	if err != nil && s != nil && s.placed.cuda && (options.Device.Kind == "" || options.Device.Kind == "auto") &&
		!errors.Is(err, ErrOutOfMemory) {
		// The provider exists but CUDA failed to start, so automatic is the CPU.
		reason := err
		options.Device = CPU
		if s, err = rt.openOn(model, options); err == nil {
			s.placed.why = "cpu: " + reason.Error()
		}
	}
	if err != nil {
		return nil, err
	}
	if err := s.describe(); err != nil {
		_ = s.Close() // the first error is the one to report
		return nil, err
	}
	return s, nil
}

// openOn opens a session on the device of the options. If opening fails, the session still has its placement.
func (rt *Runtime) openOn(model []byte, options SessionOptions) (*Session, error) {
	s := &Session{runtime: rt, settings: map[string]string{}}
	native, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "session options")
	}
	defer func() { _ = native.Destroy() }() // fails only if destroyed before
	if err := s.configure(native, options); err != nil {
		return nil, err
	}
	if s.placed, err = rt.place(native, options, s.settings); err != nil {
		return nil, err
	}
	start := func() { s.handle, err = onnxruntime.NewDynamicAdvancedSessionWithONNXData(model, nil, nil, native) }
	if s.placed.cuda {
		cuda.BesideRecordings(func() { cuda.KeepSignals(start) })
	} else {
		keepFloatMode(start) // of the process's first session, ONNX Runtime sets this thread's, too
	}
	if err != nil {
		return s, s.explain(err, "ONNX Runtime %s refuses the model", rt.library.Version)
	}
	if options.Capture && s.placed.cuda {
		s.capture.begin(rt.library, s.settings)
	}
	return s, nil
}

var optimizationLevels = map[string]onnxruntime.GraphOptimizationLevel{
	"none": onnxruntime.GraphOptimizationLevelDisableAll, "basic": onnxruntime.GraphOptimizationLevelEnableBasic,
	"extended": onnxruntime.GraphOptimizationLevelEnableExtended, "all": onnxruntime.GraphOptimizationLevelEnableAll,
}

// configure sets everything that does not depend on the device.
func (s *Session) configure(native *onnxruntime.SessionOptions, options SessionOptions) error {
	threads := options.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	optimization := options.Optimization
	if optimization == "" {
		optimization = "all"
	}
	level, ok := optimizationLevels[optimization]
	if !ok {
		return fail.New(fail.Usage, "Levels are none, basic, extended and all.", "unknown graph optimization %q",
			optimization)
	}
	steps := []error{
		native.SetIntraOpNumThreads(threads),
		native.SetInterOpNumThreads(1),
		native.SetGraphOptimizationLevel(level),
		native.SetLogSeverityLevel(onnxruntime.LoggingLevelFatal),
		// Waiting threads sleep, so that decoding can use the cores.
		native.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		native.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
		// Numbers below 1.2e-38 count as 0, in the threads of the session's pool as in the one that calls Run.
		// Processors compute with them up to 20 times as slowly, and the softmax of a masked score is one.
		native.AddSessionConfigEntry("session.set_denormal_as_zero", "1"),
	}
	if options.Lean {
		steps = append(steps, native.SetMemPattern(false))
	}
	if options.Nodes {
		steps = append(steps, native.AddSessionConfigEntry(recordNodes, "1"))
	}
	if options.OptimizedFile != "" {
		steps = append(steps, native.SetOptimizedModelFilePath(options.OptimizedFile))
	}
	if options.ProfilePrefix != "" {
		steps = append(steps, native.EnableProfiling(options.ProfilePrefix))
	}
	steps = append(steps, kernels.Register(unsafe.Pointer(s.runtime.api.table), pointerField(native, "o")))
	for _, err := range steps {
		if err != nil {
			return fail.Wrap(fail.Device, err, nativelib.Hint, "session options")
		}
	}
	s.settings["intra_op_num_threads"] = strconv.Itoa(threads)
	s.settings["graph_optimization"] = optimization
	return nil
}

// describe reads the session's inputs and outputs.
func (s *Session) describe() error {
	s.session = (*ortSession)(pointerField(s.handle, "s", "ortSession"))
	var err error
	if s.inputs, err = s.runtime.api.describe(s.session, false); err != nil {
		return fail.Wrap(fail.Model, err, "", "the model's inputs")
	}
	if s.outputs, err = s.runtime.api.describe(s.session, true); err != nil {
		return fail.Wrap(fail.Model, err, "", "the model's outputs")
	}
	s.inNames, s.outNames = newNames(s.inputs), newNames(s.outputs)
	s.metadata, err = readMetadata(s.handle)
	return fail.Wrap(fail.Model, err, "", "the model's metadata")
}

// pointerField reads the pointer at the end of a path of unexported fields of onnxruntime_go, which does not export
// its handles. Its version is pinned, and TestPointersOfTheBinding fails if a newer one renames the fields.
func pointerField(of any, path ...string) unsafe.Pointer {
	v := reflect.ValueOf(of)
	for _, name := range path {
		v = v.Elem().FieldByName(name)
		if !v.IsValid() {
			panic(fmt.Sprintf("onnxruntime_go has no field %s in %T", name, of))
		}
	}
	return v.UnsafePointer()
}

func readMetadata(handle *onnxruntime.DynamicAdvancedSession) (map[string]string, error) {
	m, err := handle.GetModelMetadata()
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Destroy() }() // never fails
	keys, err := m.GetCustomMetadataMapKeys()
	if err != nil {
		return nil, err
	}
	all := make(map[string]string, len(keys))
	for _, key := range keys {
		value, _, err := m.LookupCustomMetadataMap(key)
		if err != nil {
			return nil, err
		}
		all[key] = value
	}
	return all, nil
}

// Provider returns the name of the execution provider: "CPUExecutionProvider" or "CUDAExecutionProvider".
func (s *Session) Provider() string { return s.placed.provider }

// Device returns the session's device, never automatic.
func (s *Session) Device() Device { return s.placed.device }

// Why returns the chosen device and the reason, such as "cpu: the library has no CUDA provider".
func (s *Session) Why() string { return s.placed.why }

// ProviderOptions returns the settings that the session runs with: threads and optimization, and on CUDA every
// effective option of the provider, with the prefix "cuda.".
func (s *Session) ProviderOptions() map[string]string { return maps.Clone(s.settings) }

// Note adds a setting to ProviderOptions. It must not be called while other goroutines use the session.
func (s *Session) Note(key, value string) { s.settings[key] = value }

// Inputs returns the inputs of Run, in order.
func (s *Session) Inputs() []Info { return slices.Clone(s.inputs) }

// Outputs returns the outputs of Run, in order.
func (s *Session) Outputs() []Info { return slices.Clone(s.outputs) }

// Metadata returns the model's metadata_props.
func (s *Session) Metadata() map[string]string { return maps.Clone(s.metadata) }

// Close waits for running calls of Run and frees the session. A second Close does nothing.
func (s *Session) Close() error {
	s.open.Lock()
	defer s.open.Unlock()
	if s.closed || s.handle == nil {
		return nil
	}
	s.closed = true
	s.inNames.free()
	s.outNames.free()
	thread := s.capture.thread
	if thread == nil {
		return s.handle.Destroy()
	}
	defer close(thread.work)
	var err error
	// its CUDA graphs belong to the thread
	cuda.BesideRecordings(func() { thread.do(func() { err = s.handle.Destroy() }) })
	return err
}
