package ort

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"fx/internal/nativelib"
)

// A CUDA graph is a run of a session that the driver has recorded, to be
// replayed by one call instead of one for each kernel. ONNX Runtime records a
// Binding's first run, after two ordinary ones of which it says nothing, and
// replays it from then on. What that asks for:
//
//   - one OS thread for all runs of the session: ONNX Runtime keeps its
//     recordings by thread. captureThread is it.
//   - the addresses of inputs and outputs never change, and lie on the device.
//     A Binding refuses to be bound anew after it ran.
//   - no other thread may allocate, or wait for the device, while a run is
//     recorded (cudaStreamCaptureModeGlobal). cuda.Record and cuda.BesideRecordings keep them apart.
//   - no node that copies to the CPU in the middle. ONNX Runtime refuses to open
//     such a session, which then opens without recording.

// captureThread runs functions on one OS thread, one after the other.
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

// capture is a session's side of CUDA graphs.
type capture struct {
	thread  *captureThread // nil where the session records nothing
	last    int            // number of the last Binding
	problem string         // why recording was given up, or ""
}

// oldestCapture is the first ONNX Runtime that was seen to keep the host memory
// that recorded copies read (those of a Concat of many parts, for one).
const oldestCapture = "1.31"

// begin makes ready to record, unless the version or the user's options are
// against it.
func (c *capture) begin(library nativelib.Library, settings map[string]string) {
	switch {
	case !library.AtLeast(oldestCapture):
		c.problem = fmt.Sprintf("ONNX Runtime %s is older than %s", library.Version, oldestCapture)
	case settings["cuda."+captureOption] != "1":
		c.problem = captureOption + " is off"
	default:
		c.thread = newCaptureThread()
	}
}

const (
	captureOption     = "enable_cuda_graph"
	captureRefused    = "graph capture feature" // in ONNX Runtime's words when it opens no session for it
	annotationKey     = "gpu_graph_id"          // of a recording, in run options
	withoutAnnotation = "-1"                    // an ordinary run
)

// CaptureProblem says why a session that was asked to record CUDA graphs runs
// without; "" where it records, was not asked to, or runs on the CPU.
func (s *Session) CaptureProblem() string { return s.capture.problem }

// Captures reports whether the session records CUDA graphs.
func (s *Session) Captures() bool { return s.capture.thread != nil && s.capture.problem == "" }

// runBinding runs what is bound: as a recording where the session makes them,
// and plainly from then on where that fails.
func (s *Session) runBinding(ctx context.Context, b *Binding) error {
	run := func(options unsafe.Pointer) error { return s.runtime.api.runBinding(s.session, options, b.handle) }
	if s.capture.thread == nil {
		return s.call(ctx, "", false, run)
	}
	if s.capture.problem != "" {
		return s.call(ctx, withoutAnnotation, false, run)
	}
	err := s.call(ctx, strconv.Itoa(b.number), !b.ran, run)
	if err == nil || b.ran || ctx.Err() != nil || errors.Is(err, ErrOutOfMemory) {
		return err
	}
	s.capture.problem = strings.TrimSpace(err.Error())
	return s.call(ctx, withoutAnnotation, false, run)
}
