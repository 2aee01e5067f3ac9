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

// SessionOptions say how a session runs. The zero value: the best device there
// is, one thread for each CPU that the process may use, every optimization.
type SessionOptions struct {
	Device Device

	// Threads work on one Run together (ONNX Runtime's intra-op threads); 0
	// takes GOMAXPROCS. For throughput on the CPU take 1 and call Run in as
	// many goroutines as there are cores. They never spin while they wait.
	Threads int

	// Lean takes memory for each node as it runs, instead of one block that is
	// planned for all of them: a training step, whose values live from the forward
	// to the backward pass, needs half the memory then, and no more time.
	Lean bool

	// Optimization of the graph: "all" (or ""), "extended", "basic" or "none".
	Optimization string

	// OptimizedFile, where not empty, is a file that ONNX Runtime writes the graph to
	// as it is after optimization.
	OptimizedFile string

	// ProfilePrefix, where not empty, has ONNX Runtime write a profile of
	// every node to PREFIX_TIME.json when the session closes.
	ProfilePrefix string

	// Capture records the runs of each Binding as a CUDA graph, where the
	// session runs on CUDA and all shapes are fixed; see CaptureProblem.
	Capture bool

	// Nodes has the session remember which provider runs each node.
	Nodes bool

	// CUDA overrides cudaDefaults by key, as the CUDA provider of ONNX Runtime
	// names its options; the environment variable CUDAVariable overrides both.
	CUDA map[string]string
}

// Info describes an input or an output of a session.
type Info struct {
	Name    string
	DType   DType    // 0 where it is no tensor
	Shape   []int64  // -1 where the size is not fixed
	Symbols []string // names of the sizes, such as "batch"; "" where there is none
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

	open     sync.RWMutex // held for reading by Run, for writing by Close
	closed   bool
	firstRun sync.Once
}

// NewSession loads a model from the bytes of an ONNX file, which it does not
// keep. Errors: fail.Device where the device asked for cannot be had (there is
// no silent step down from "cuda" to the CPU), fail.Model where ONNX Runtime
// refuses the model.
func (rt *Runtime) NewSession(model []byte, options SessionOptions) (*Session, error) {
	if len(model) == 0 {
		return nil, fail.New(fail.Model, "", "the ONNX model is empty")
	}
	s, err := rt.openOn(model, options)
	if err != nil && options.Capture && strings.Contains(err.Error(), captureRefused) {
		reason := err
		options.Capture = false
		if s, err = rt.openOn(model, options); err == nil {
			s.capture.problem = reason.Error()
		}
	}
	if err != nil && s != nil && s.placed.cuda && (options.Device.Kind == "" || options.Device.Kind == "auto") && !errors.Is(err, ErrOutOfMemory) {
		// The provider was there, and CUDA failed as it started: automatic means the CPU then.
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

// openOn opens a session on the device of the options. Where opening fails, the
// session says where it was to run.
func (rt *Runtime) openOn(model []byte, options SessionOptions) (*Session, error) {
	s := &Session{runtime: rt, settings: map[string]string{}}
	native, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, nativelib.Hint, "session options")
	}
	defer func() { _ = native.Destroy() }() // fails only where destroyed before
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
		start()
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
		return fail.New(fail.Usage, "Levels are none, basic, extended and all.", "unknown graph optimization %q", optimization)
	}
	steps := []error{
		native.SetIntraOpNumThreads(threads),
		native.SetInterOpNumThreads(1),
		native.SetGraphOptimizationLevel(level),
		native.SetLogSeverityLevel(onnxruntime.LoggingLevelFatal),
		// Waiting threads sleep: the cores belong to decoding meanwhile.
		native.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		native.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
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

// describe reads what the session takes and gives.
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

// pointerField reads the pointer at the end of a path of unexported fields of
// onnxruntime_go, which gives its own handles to nobody. The version is pinned,
// and TestPointersOfTheBinding fails where a newer one names them otherwise.
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

// Provider names the execution provider: "CPUExecutionProvider" or "CUDAExecutionProvider".
func (s *Session) Provider() string { return s.placed.provider }

// Device returns where the session runs: never automatic.
func (s *Session) Device() Device { return s.placed.device }

// Why says which device was taken and why, such as "cpu: the library has no CUDA provider".
func (s *Session) Why() string { return s.placed.why }

// ProviderOptions returns the settings that the session runs with: threads and
// optimization, and on CUDA every option as ONNX Runtime reads it back, with
// the prefix "cuda.".
func (s *Session) ProviderOptions() map[string]string { return maps.Clone(s.settings) }

// Note adds a setting to ProviderOptions: what its opener knows of how it runs. It
// must not be called while others use the session.
func (s *Session) Note(key, value string) { s.settings[key] = value }

// Inputs describes what Run takes, in its order.
func (s *Session) Inputs() []Info { return slices.Clone(s.inputs) }

// Outputs describes what Run gives, in its order.
func (s *Session) Outputs() []Info { return slices.Clone(s.outputs) }

// Metadata returns the model's metadata_props.
func (s *Session) Metadata() map[string]string { return maps.Clone(s.metadata) }

// Close frees the session after the runs that are under way. Closing twice does nothing.
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
	cuda.BesideRecordings(func() { thread.do(func() { err = s.handle.Destroy() }) }) // its recordings belong to the thread
	return err
}
