package ort

import (
	"context"
	"runtime"
	"testing"
)

// squared is x·x.
func squared() []byte {
	return onnxModel(nodes{onnxNode("Mul", []string{"x", "x"}, []string{"y"})}, nil,
		values{onnxValue("x", Float32T, "n")}, values{onnxValue("y", Float32T, "n")})
}

func TestFlushDenormals(t *testing.T) {
	runtime.LockOSThread() // whose arithmetic must not change
	defer runtime.UnlockOSThread()
	const many = 1 << 20 // enough to be divided among threads
	x := make([]float32, many)
	for i := range x {
		x[i] = 1e-20
	}
	denormal := x[0] * x[0]
	for _, flush := range []bool{false, true} {
		for _, threads := range []int{1, 3} {
			s := newSession(t, squared(), SessionOptions{Device: CPU, Threads: threads, FlushDenormals: flush})
			outputs := make([]Tensor, 1)
			if err := s.Run(context.Background(), []Tensor{NewTensor(x, many)}, outputs); err != nil {
				t.Fatal(err)
			}
			want := denormal
			if flush {
				want = 0
			}
			for i, v := range Data[float32](outputs[0]) {
				if v != want {
					t.Fatalf("flush %v, %d threads: value %d is %g, not %g", flush, threads, i, v, want)
				}
			}
			if denormal == 0 || x[0]*x[0] != denormal {
				t.Errorf("Go computes %g after the run, %g before", x[0]*x[0], denormal)
			}
		}
	}
}
