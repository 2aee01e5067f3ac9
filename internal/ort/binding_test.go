package ort

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/nativelib"
	"fx/internal/onnx"
)

// counter is next = state + by, total = the sum of next.
func counter() []byte {
	return onnxModel(
		nodes{
			onnxNode("Add", []string{"state", "by"}, []string{"next"}),
			onnxNode("ReduceSum", []string{"next"}, []string{"total"}, onnx.Int("keepdims", 0)),
		}, nil,
		values{onnxValue("state", Float32T, 2, 3), onnxValue("by", Float32T)},
		values{onnxValue("next", Float32T, 2, 3), onnxValue("total", Float32T)},
	)
}

// bound is a session whose state goes from one of two values to the other.
type bound struct {
	state    [2]*Value
	by       *Value
	total    *Value
	bindings [2]*Binding
}

func newBound(t *testing.T, s *Session) *bound {
	t.Helper()
	value := func(shape ...int64) *Value {
		v, err := s.NewValue(Float32T, shape...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	b := &bound{by: value(), total: value()}
	b.state[0], b.state[1] = value(2, 3), value(2, 3)
	for i := range b.bindings {
		binding, err := s.NewBinding()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(binding.Close)
		for _, err := range []error{
			binding.Input("state", b.state[i]), binding.Input("by", b.by),
			binding.Output("next", b.state[1-i]), binding.Output("total", b.total),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		b.bindings[i] = binding
	}
	return b
}

func TestStateStaysInPlaceBetweenRuns(t *testing.T) {
	s := newSession(t, counter(), SessionOptions{Device: CPU, Threads: 1})
	b := newBound(t, s)
	if err := s.Upload(t.Context(), b.state[0], NewTensor([]float32{0, 1, 2, 3, 4, 5}, 2, 3)); err != nil {
		t.Fatal(err)
	}
	Data[float32](b.by.Tensor())[0] = 2
	for i := range 5 {
		if err := b.bindings[i%2].Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := float32(15 + 12*(i+1)); Data[float32](b.total.Tensor())[0] != want {
			t.Fatalf("after run %d the sum is %v, want %v", i, Data[float32](b.total.Tensor())[0], want)
		}
	}
	got := make([]float32, 6)
	if err := s.Download(t.Context(), NewTensor(got, 2, 3), b.state[1]); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []float32{10, 11, 12, 13, 14, 15}) {
		t.Errorf("the state is %v", got)
	}
}

func TestCopyMovesAnyShape(t *testing.T) {
	s := newSession(t, counter(), SessionOptions{Device: CPU, Threads: 1})
	for _, shape := range [][]int64{{}, {4}, {2, 1, 3}} {
		from, err := s.NewHostValue(Float32T, shape...)
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		to, err := s.NewValue(Float32T, shape...)
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		for i := range Data[float32](from.Tensor()) {
			Data[float32](from.Tensor())[i] = float32(i + 1)
			Data[float32](to.Tensor())[i] = -1
		}
		if err := s.Copy(t.Context(), Transfer{to, from}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(Data[float32](from.Tensor()), Data[float32](to.Tensor())) {
			t.Errorf("shape %v: %v became %v", shape, Data[float32](from.Tensor()), Data[float32](to.Tensor()))
		}
	}
}

// What a session on the CPU is asked for CUDA's sake changes nothing there.
func TestCaptureAndNodesOnTheCPU(t *testing.T) {
	s := newSession(t, counter(), SessionOptions{Device: CPU, Threads: 1, Capture: true, Nodes: true})
	if s.Captures() || s.CaptureProblem() != "" {
		t.Errorf("captures %v, problem %q", s.Captures(), s.CaptureProblem())
	}
	nodes, err := s.Nodes()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Op, b.Op) })
	want := []Node{{Provider: "CPUExecutionProvider", Op: "Add"}, {Provider: "CPUExecutionProvider", Op: "ReduceSum"}}
	if !slices.Equal(nodes, want) {
		t.Errorf("nodes %+v", nodes)
	}
	if _, err := newSession(t, counter(),
		SessionOptions{Device: CPU, Threads: 1}).Nodes(); fail.KindOf(err) != fail.Model {
		t.Errorf("nodes that were not recorded: %v", err)
	}
	b := newBound(t, s)
	for i := range 3 { // binding anew after a run is fine where nothing is recorded
		if err := b.bindings[0].Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.bindings[0].Input("by", b.by); err != nil {
			t.Fatal(i, err)
		}
	}
}

func TestWhatKeepsASessionFromRecording(t *testing.T) {
	on, off := map[string]string{"cuda.enable_cuda_graph": "1"}, map[string]string{"cuda.enable_cuda_graph": "0"}
	for _, c := range []struct {
		version  string
		settings map[string]string
		problem  string
	}{{"1.31.1", on, ""}, {"1.40.0", on, ""}, {"1.31.1", off, "enable_cuda_graph is off"}, {"1.30.2", on,
		"ONNX Runtime 1.30.2 is older than 1.31"}} {
		var s Session
		s.capture.begin(nativelib.Library{Version: c.version}, c.settings)
		if s.CaptureProblem() != c.problem || s.Captures() != (c.problem == "") {
			t.Errorf("%s, %v: problem %q, captures %v", c.version, c.settings, s.CaptureProblem(), s.Captures())
		}
		if thread := s.capture.thread; thread != nil {
			close(thread.work)
		}
	}
}

func TestBindingRefusesWhatDoesNotFit(t *testing.T) {
	s := newSession(t, counter(), SessionOptions{Device: CPU, Threads: 1})
	b, err := s.NewBinding()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	v, err := s.NewValue(Float32T, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := b.Input("state", v); fail.KindOf(err) != fail.Model {
		t.Errorf("a tensor of another shape: %v", err)
	}
	if err := b.Output("nothing", v); fail.KindOf(err) != fail.Model {
		t.Errorf("an unknown output: %v", err)
	}
	if err := b.Run(t.Context()); fail.KindOf(err) != fail.Model {
		t.Errorf("a run with nothing bound: %v", err)
	}
	if err := s.Upload(t.Context(), v, NewTensor([]float32{1}, 1)); fail.KindOf(err) != fail.Model {
		t.Errorf("an upload of another size: %v", err)
	}
}

func TestBoundRunEndsWithItsContext(t *testing.T) {
	s := newSession(t, counter(), SessionOptions{Device: CPU, Threads: 1})
	b := newBound(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.bindings[0].Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
