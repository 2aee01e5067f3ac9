package ort

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/fakecuda"
	"fx/internal/testenv"
)

// capturing is a session on CUDA whose state goes back and forth.
func capturing(t *testing.T) (*Session, *bound) {
	rt := testRuntime(t)
	s, err := rt.NewSession(counter(), SessionOptions{Device: CUDA, Capture: true, Nodes: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b := newBound(t, s)
	return s, b
}

// Each binding is recorded once, on the thread on which it is replayed, while
// other goroutines copy and allocate.
func TestRehearsedCapture(t *testing.T) {
	if fakecuda.Rehearsing() {
		s, b := capturing(t)
		stop := make(chan struct{})
		busy := make(chan error, 1)
		go func() {
			var failure error
			for {
				select {
				case <-stop:
					busy <- failure
					return
				default:
				}
				host, err := s.NewHostValue(Float32T, 1024)
				if err != nil {
					failure = err
					continue
				}
				device, err := s.NewValue(Float32T, 1024)
				if err == nil {
					err = s.Copy(t.Context(), Transfer{device, host}, Transfer{host, device})
				}
				if err != nil {
					failure = err
				}
				device.Close()
				host.Close()
			}
		}()
		for i := range 10 {
			if err := b.bindings[i%2].Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		if err := <-busy; err != nil {
			t.Error(err)
		}
		if err := b.bindings[0].Input("by", b.by); err == nil {
			t.Error("a recorded binding was bound anew")
		}
		nodes, err := s.Nodes()
		fmt.Println("captures", s.Captures(), "problem", s.CaptureProblem(), nodes, err)
		return
	}
	text, events := fakecuda.Rehearse(t)
	if want := "captures true problem  [{CUDAExecutionProvider  Add } {CUDAExecutionProvider  ReduceSum }] " +
		"<nil>"; !strings.Contains(text, want) {
		t.Errorf("%q is not in %s", want, text)
	}
	if fakecuda.Count(events, "record") != 2 || fakecuda.Count(events, "recorded") != 2 ||
		fakecuda.Count(events, "replay") != 10 || fakecuda.Count(events, "unsafe") != 0 {
		t.Errorf("%d recordings begun, %d done, %d replays, %d unsafe calls", fakecuda.Count(events, "record"),
			fakecuda.Count(events, "recorded"), fakecuda.Count(events, "replay"), fakecuda.Count(events, "unsafe"))
	}
	if fakecuda.Count(events, "pin") == 0 {
		t.Error("host values are not pinned")
	}
	own := 0 // allocations of the goroutine beside
	for _, e := range events {
		if e.What == "allocate" && e.Rest == "4096" {
			own++
		}
	}
	if own < 3 {
		t.Errorf("%d allocations: values lie in the arena that recorded runs use", own)
	}
	thread := ""
	for _, e := range events {
		if e.What != "record" && e.What != "replay" {
			continue
		}
		if thread != "" && e.Thread != thread {
			t.Errorf("%s on thread %s, and %s before", e.What, e.Thread, thread)
		}
		thread = e.Thread
	}
}

// Where recording fails the run is done plainly, and those that follow too.
func TestRehearsedCaptureThatFails(t *testing.T) {
	if fakecuda.Rehearsing() {
		s, b := capturing(t)
		for i := range 4 {
			if err := b.bindings[i%2].Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("captures", s.Captures(), "problem", s.CaptureProblem())
		return
	}
	text, events := fakecuda.Rehearse(t, "FAKECUDA_CAPTURE=refuse")
	if !strings.Contains(text, "captures false problem running the network on cuda: ") ||
		!strings.Contains(text, "operation not permitted when stream is capturing") {
		t.Errorf("%s", text)
	}
	if n := fakecuda.Count(events, "replay"); n != 0 {
		t.Errorf("%d replays", n)
	}
}

// A session that ONNX Runtime does not record opens all the same.
func TestRehearsedNodeOnTheCPU(t *testing.T) {
	if fakecuda.Rehearsing() {
		// Det has a kernel on the CPU alone.
		model := onnxModel(
			nodes{
				onnxNode("Add", []string{"x", "x"}, []string{"y"}),
				onnxNode("Det", []string{"y"}, []string{"z"}),
				onnxNode("Neg", []string{"z"}, []string{"w"}),
			}, nil,
			values{onnxValue("x", Float32T, 2, 3, 3)}, values{onnxValue("w", Float32T, 2)},
		)
		s, err := testRuntime(t).NewSession(model, SessionOptions{Device: CUDA, Capture: true, Nodes: true})
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := s.Nodes()
		fmt.Println("captures", s.Captures(), "problem", s.CaptureProblem(), nodes, err)
		return
	}
	text, _ := fakecuda.Rehearse(t)
	for _, want := range []string{"captures false", "all compute graph nodes have not been partitioned",
		"{CPUExecutionProvider  Det }"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}

// Ctrl+C arrives whatever of CUDA has started: the fakes take its handler in
// each of these steps.
func TestRehearsedSignals(t *testing.T) {
	if fakecuda.Rehearsing() {
		pressAfterEachStep(t)
		return
	}
	if text, _ := fakecuda.Rehearse(t); !strings.Contains(text, "every signal arrived") {
		t.Error(text)
	}
}

// pressAfterEachStep starts CUDA bit by bit and presses Ctrl+C after each.
func pressAfterEachStep(t *testing.T) {
	interrupted := make(chan os.Signal, 8)
	signal.Notify(interrupted, os.Interrupt)
	press := func(after string) {
		if err := testenv.Interrupt(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-interrupted:
		case <-time.After(5 * time.Second):
			t.Fatal("no signal after " + after)
		}
	}
	s, b := capturing(t)
	press("opening a session")
	host, err := s.NewHostValue(Float32T, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	if err := s.Copy(t.Context(), Transfer{b.state[0], host}); err != nil {
		t.Fatal(err)
	}
	press("the first copy")
	for i := range 2 {
		if err := b.bindings[i].Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		press("recording")
	}
	fmt.Println("every signal arrived")
}

func TestRehearsedOutOfMemory(t *testing.T) {
	if fakecuda.Rehearsing() {
		s, _ := capturing(t)
		_, err := s.NewValue(Float32T, 32<<20)
		fmt.Println("kind", fail.KindOf(err), errors.Is(err, ErrOutOfMemory), err)
		return
	}
	text, events := fakecuda.Rehearse(t, "FAKECUDA_MEMORY="+fmt.Sprint(64<<20))
	if !strings.Contains(text, "kind 7 true out of memory: a tensor of shape [33554432] on cuda") {
		t.Error(text)
	}
	if !slices.ContainsFunc(events, func(e fakecuda.Event) bool { return e.What == "out" }) {
		t.Error("the fake's memory did not run out")
	}
}
