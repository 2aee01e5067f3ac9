package ort

import (
	"context"
	"errors"
	"runtime"
	"testing"
)

// squared is x·x.
func squared() []byte {
	return onnxModel(nodes{onnxNode("Mul", []string{"x", "x"}, []string{"y"})}, nil,
		values{onnxValue("x", Float32T, "n")}, values{onnxValue("y", Float32T, "n")})
}

func TestDenormalsCountAsZero(t *testing.T) {
	runtime.LockOSThread() // whose arithmetic must not change
	defer runtime.UnlockOSThread()
	const many = 1 << 20 // enough to be divided among threads
	x := make([]float32, many)
	for i := range x {
		x[i] = 1e-20
	}
	denormal := x[0] * x[0]
	for _, threads := range []int{1, 3} {
		s := newSession(t, squared(), SessionOptions{Device: CPU, Threads: threads})
		for name, values := range map[string][]float32{"run": runOf(t, s, x), "binding": boundRunOf(t, s, x)} {
			for i, v := range values {
				if v != 0 {
					t.Fatalf("%s, %d threads: value %d is %g, not 0", name, threads, i, v)
				}
			}
		}
		if denormal == 0 || x[0]*x[0] != denormal {
			t.Errorf("Go computes %g after the run, %g before", x[0]*x[0], denormal)
		}
	}
}

// runOf returns the session's output for x.
func runOf(t *testing.T, s *Session, x []float32) []float32 {
	t.Helper()
	outputs := make([]Tensor, 1)
	if err := s.Run(context.Background(), []Tensor{NewTensor(x, int64(len(x)))}, outputs); err != nil {
		t.Fatal(err)
	}
	return Data[float32](outputs[0])
}

// boundRunOf is runOf by a Binding.
func boundRunOf(t *testing.T, s *Session, x []float32) []float32 {
	t.Helper()
	values := make([]*Value, 2)
	for i := range values {
		v, err := s.NewValue(Float32T, int64(len(x)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		values[i] = v
	}
	copy(Data[float32](values[0].Tensor()), x)
	b, err := s.NewBinding()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := errors.Join(b.Input("x", values[0]), b.Output("y", values[1]), b.Run(t.Context())); err != nil {
		t.Fatal(err)
	}
	return Data[float32](values[1].Tensor())
}
