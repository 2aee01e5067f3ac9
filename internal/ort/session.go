package ort

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"fx/internal/fail"
)

// SessionOptions say how a session runs. The zero value: the best device there
// is, one thread for each CPU that the process may use, every optimization.
type SessionOptions struct {
	Device Device

	// Threads work on one Run together (ONNX Runtime's intra-op threads); 0
	// takes GOMAXPROCS. For throughput on the CPU take 1 and call Run in as
	// many goroutines as there are cores. They never spin while they wait.
	Threads int

	// Optimization of the graph: "all" (or ""), "extended", "basic" or "none".
	Optimization string

	// ProfilePrefix, where not empty, has ONNX Runtime write a profile of
	// every node to PREFIX_TIME.json when the session closes.
	ProfilePrefix string

	// CUDA overrides CUDADefaults by key, as the CUDA provider of ONNX Runtime names its options.
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
	session  unsafe.Pointer // its OrtSession
	inputs   []Info
	outputs  []Info
	inNames  names
	outNames names
	placed   placement
	settings map[string]string
	metadata map[string]string

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
	return rt.newSession(options, "the model", func(o *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error) {
		return onnxruntime.NewDynamicAdvancedSessionWithONNXData(model, nil, nil, o)
	})
}

// NewSessionFromFile is NewSession for a file, whose external data may lie beside it.
func (rt *Runtime) NewSessionFromFile(path string, options SessionOptions) (*Session, error) {
	return rt.newSession(options, path, func(o *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error) {
		return onnxruntime.NewDynamicAdvancedSession(path, nil, nil, o)
	})
}

type opener func(*onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error)

func (rt *Runtime) newSession(options SessionOptions, what string, open opener) (*Session, error) {
	s := &Session{runtime: rt, settings: map[string]string{}}
	native, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, installHint, "session options")
	}
	defer func() { _ = native.Destroy() }() // fails only where destroyed before
	if err := s.configure(native, options); err != nil {
		return nil, err
	}
	if s.placed, err = rt.place(native, options, s.settings); err != nil {
		return nil, err
	}
	keepSignals(s.placed.cuda, func() { s.handle, err = open(native) })
	if err != nil {
		return nil, s.explain(err, "ONNX Runtime %s refuses %s", rt.library.Version, what)
	}
	if err := s.describe(); err != nil {
		_ = s.Close()
		return nil, err
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
		native.SetLogSeverityLevel(onnxruntime.LoggingLevelError),
		// Waiting threads sleep: the cores belong to decoding meanwhile.
		native.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		native.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	}
	if options.ProfilePrefix != "" {
		steps = append(steps, native.EnableProfiling(options.ProfilePrefix))
	}
	for _, err := range steps {
		if err != nil {
			return fail.Wrap(fail.Device, err, installHint, "session options")
		}
	}
	s.settings["intra_op_num_threads"] = strconv.Itoa(threads)
	s.settings["graph_optimization"] = optimization
	return nil
}

// describe reads what the session takes and gives.
func (s *Session) describe() error {
	s.session = pointerField(s.handle, "s", "ortSession")
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

// Inputs describes what Run takes, in its order.
func (s *Session) Inputs() []Info { return slices.Clone(s.inputs) }

// Outputs describes what Run gives, in its order.
func (s *Session) Outputs() []Info { return slices.Clone(s.outputs) }

// Metadata returns the model's metadata_props.
func (s *Session) Metadata() map[string]string { return maps.Clone(s.metadata) }

// Run runs the network once. Inputs and outputs are in the order of Inputs and
// Outputs, sizes that are not fixed may differ from run to run. An output with
// memory is written in place, with no further copy on the CPU; a zero Tensor in
// outputs is replaced by one that owns its memory. Nobody may write to the
// inputs or touch the outputs before Run returns. When ctx ends, the run stops
// at the next node of the graph, Run returns ctx.Err(), and the outputs hold
// nothing of use.
func (s *Session) Run(ctx context.Context, inputs, outputs []Tensor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.checkTensors(inputs, outputs); err != nil {
		return err
	}
	s.open.RLock()
	defer s.open.RUnlock()
	if s.closed {
		return fail.New(fail.Other, "", "Run on a closed session")
	}
	options, err := onnxruntime.NewRunOptions()
	if err != nil {
		return fail.Wrap(fail.Device, err, "", "run options")
	}
	defer func() { _ = options.Destroy() }() // fails only where destroyed before
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = options.Terminate() // the run then ends by itself
		close(terminated)
	})
	run := func() {
		err = s.runtime.api.run(s.session, pointerField(options, "o"), s.inNames, s.outNames, inputs, outputs)
	}
	guarded := false
	s.firstRun.Do(func() { // CUDA's libraries start lazily, in the first run too
		guarded = true
		keepSignals(s.placed.cuda, run)
	})
	if !guarded {
		run()
	}
	if !stop() {
		<-terminated // options must outlive Terminate
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.explain(err, "running the network on %s", s.placed.device)
}

func (s *Session) checkTensors(inputs, outputs []Tensor) error {
	if len(inputs) != len(s.inputs) || len(outputs) != len(s.outputs) {
		return fail.New(fail.Model, "", "the network takes %d inputs and gives %d outputs, not %d and %d",
			len(s.inputs), len(s.outputs), len(inputs), len(outputs))
	}
	for i, t := range inputs {
		if err := s.inputs[i].accepts(t); err != nil {
			return fail.Wrap(fail.Model, err, "", "input %q", s.inputs[i].Name)
		}
	}
	for i, t := range outputs {
		if t.data == nil {
			continue
		}
		if err := s.outputs[i].accepts(t); err != nil {
			return fail.Wrap(fail.Model, err, "", "output %q", s.outputs[i].Name)
		}
	}
	return nil
}

// accepts checks type and fixed sizes, in words that name both sides.
func (info Info) accepts(t Tensor) error {
	if t.dtype != info.DType {
		return fmt.Errorf("is %s, and a tensor of %s was given", info.DType, t.dtype)
	}
	if err := t.check(); err != nil {
		return err
	}
	fits := len(t.shape) == len(info.Shape)
	for i := 0; fits && i < len(t.shape); i++ {
		fits = info.Shape[i] < 0 || info.Shape[i] == t.shape[i]
	}
	if !fits {
		return fmt.Errorf("has shape %v, and %v was given", info.Shape, t.shape)
	}
	return nil
}

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
	return s.handle.Destroy()
}
