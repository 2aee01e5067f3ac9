package ort

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"fx/internal/nativelib"
)

// A CUDA graph is a run of a session that the driver has captured; one call replays it, instead of one call per
// kernel. ONNX Runtime captures a Binding's first run, after two ordinary runs that it makes itself, and replays it
// from then on. Requirements:
//
//   - one OS thread for all runs of the session: ONNX Runtime keeps its graphs by thread, here captureThread.
//   - the addresses of inputs and outputs never change, and are on the device. A Binding refuses new values after its
//     first run.
//   - no other thread may allocate, or wait for the device, while a run is captured (cudaStreamCaptureModeGlobal).
//     cuda.Record and cuda.BesideRecordings ensure that.
//   - no node that copies to the CPU in the middle. ONNX Runtime refuses to open such a session, which then opens
//     without capture.

// captureThread runs functions one after the other on one OS thread.
type captureThread struct{ work chan func() }

func newCaptureThread() *captureThread {
	t := &captureThread{make(chan func())}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range t.work {
			f()
		}
	}()
	return t
}

// do runs f and returns when it is done.
func (t *captureThread) do(f func()) {
	done := make(chan struct{})
	t.work <- func() { defer close(done); f() }
	<-done
}

// capture is a session's state for CUDA graphs.
type capture struct {
	thread  *captureThread         // nil if the session does not capture
	last    atomic.Int64           // number of the last Binding
	problem atomic.Pointer[string] // why it does not capture, or nil; concurrent runs may find one
}

// fail notes why the session does not capture.
func (c *capture) fail(problem string) { c.problem.Store(&problem) }

// oldestCapture is the first ONNX Runtime known to keep the host memory that captured copies read (such as those of a
// Concat of many parts).
const oldestCapture = "1.31"

// begin prepares to capture, unless the version or the user's options prevent it.
func (c *capture) begin(library nativelib.Library, settings map[string]string) {
	switch {
	case !library.AtLeast(oldestCapture):
		c.fail(fmt.Sprintf("ONNX Runtime %s is older than %s", library.Version, oldestCapture))
	case settings["cuda."+captureOption] != "1":
		c.fail(captureOption + " is off")
	default:
		c.thread = newCaptureThread()
	}
}

const (
	captureOption     = "enable_cuda_graph"
	captureRefused    = "graph capture feature" // part of ONNX Runtime's error if it can't capture a session
	annotationKey     = "gpu_graph_id"          // number of the graph, in run options
	withoutAnnotation = "-1"                    // an ordinary run
)

// CaptureProblem returns why a session does not capture CUDA graphs as requested; "" if it does, if that was not
// requested, or if it runs on the CPU.
func (s *Session) CaptureProblem() string {
	if problem := s.capture.problem.Load(); problem != nil {
		return *problem
	}
	return ""
}

// Captures reports whether the session captures CUDA graphs.
func (s *Session) Captures() bool { return s.capture.thread != nil && s.CaptureProblem() == "" }

// runBinding runs a Binding: as a CUDA graph if the session captures; if that fails, as an ordinary run from then on.
func (s *Session) runBinding(ctx context.Context, b *Binding) error {
	run := func(options unsafe.Pointer) error { return s.runtime.api.runBinding(s.session, options, b.handle) }
	if s.capture.thread == nil {
		return s.call(ctx, "", false, run)
	}
	if s.CaptureProblem() != "" {
		return s.call(ctx, withoutAnnotation, false, run)
	}
	err := s.call(ctx, strconv.Itoa(b.number), !b.ran, run)
	if err == nil || b.ran || ctx.Err() != nil || errors.Is(err, ErrOutOfMemory) {
		return err
	}
	s.capture.fail(strings.TrimSpace(err.Error()))
	return s.call(ctx, withoutAnnotation, false, run)
}
