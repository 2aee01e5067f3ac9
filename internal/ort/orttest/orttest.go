package orttest

import (
	"context"
	"testing"

	"fx/internal/nativelib"
	"fx/internal/onnx"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/testenv"
)

// Library finds the ONNX Runtime that a user of this machine would get. Where there
// is none the test is skipped, or fails where testenv.Runtime is required.
func Library(t testing.TB) nativelib.Library {
	t.Helper()
	library, err := nativelib.Find("")
	if err != nil {
		testenv.Lacks(t, testenv.Runtime, "no ONNX Runtime here, `fx runtime install` fetches it: %v", err)
	}
	return library
}

// Runtime loads that library.
func Runtime(t testing.TB) *ort.Runtime {
	t.Helper()
	rt, err := ort.Load(Library(t).Path)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// Outputs runs m once on the CPU with that many threads, and returns its outputs, all float32.
func Outputs(t testing.TB, rt *ort.Runtime, m *pb.ModelProto, threads int, inputs ...ort.Tensor) [][]float32 {
	t.Helper()
	model, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := rt.NewSession(model, ort.SessionOptions{Device: ort.CPU, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	outputs := make([]ort.Tensor, len(m.Graph.Output))
	if err := s.Run(context.Background(), inputs, outputs); err != nil {
		t.Fatal(err)
	}
	values := make([][]float32, len(outputs))
	for i, o := range outputs {
		values[i] = ort.Data[float32](o)
	}
	return values
}

// GPU is Runtime for tests that need a GPU as well.
func GPU(t testing.TB) *ort.Runtime {
	t.Helper()
	rt := Runtime(t)
	if _, _, _, err := rt.Resolve(ort.CUDA); err != nil {
		testenv.Lacks(t, testenv.GPU, "%v", err)
	}
	return rt
}
