package ort

import (
	"context"
	"fmt"
	"unsafe"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"fx/internal/cuda"
	"fx/internal/fail"
)

// Run runs the network once. Inputs and outputs are in the order of Inputs and Outputs; sizes that are not fixed may
// differ between runs. An output with memory is written in place, without a copy on the CPU; a zero Tensor in outputs
// is replaced by one with its own memory. Until Run returns, the inputs must not be written and the outputs not
// accessed. When ctx ends, the run stops at the next node of the graph, Run returns ctx.Err(), and the outputs are
// undefined.
func (s *Session) Run(ctx context.Context, inputs, outputs []Tensor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.checkTensors(inputs, outputs); err != nil {
		return err
	}
	annotation := ""
	if s.capture.thread != nil {
		annotation = withoutAnnotation // the caller's memory differs in each run: nothing to capture
	}
	return s.call(ctx, annotation, false, func(options unsafe.Pointer) error {
		return s.runtime.api.run(s.session, options, s.inNames, s.outNames, inputs, outputs)
	})
}

// call makes one run of the session, with run options that stop it when ctx ends and contain annotation if it is not
// empty. record is whether the run is to be captured.
func (s *Session) call(ctx context.Context, annotation string, record bool,
	run func(options unsafe.Pointer) error) error {
	s.open.RLock()
	defer s.open.RUnlock()
	if s.closed {
		return fail.New(fail.Other, "", "Run on a closed session")
	}
	options, err := onnxruntime.NewRunOptions()
	if err != nil {
		return fail.Wrap(fail.Device, err, "", "run options")
	}
	defer func() { _ = options.Destroy() }() // fails only if destroyed before
	native := pointerField(options, "o")
	if annotation != "" {
		if err := s.runtime.api.configureRun(native, annotationKey, annotation); err != nil {
			return s.explain(err, "run options")
		}
	}
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = options.Terminate() // the run then ends
		close(terminated)
	})
	err = s.runGuarded(record, func() error { return run(native) })
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

// runGuarded runs f as the session's device requires. NVIDIA's libraries start lazily, so the first run on CUDA, and
// one that is captured, may replace Go's signal handlers; other runs wait for it.
func (s *Session) runGuarded(record bool, f func() error) (err error) {
	if !s.placed.cuda {
		return f()
	}
	run := func() { err = f() }
	if thread := s.capture.thread; thread != nil {
		run = func() { thread.do(func() { err = f() }) }
	}
	guarded := func() { cuda.KeepSignals(run) }
	if record {
		cuda.Record(guarded)
		return err
	}
	cuda.BesideRecordings(func() {
		first := false
		s.firstRun.Do(func() { first = true; guarded() })
		if !first {
			run()
		}
	})
	return err
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
