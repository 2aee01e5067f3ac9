package orttest

import (
	"testing"

	"fx/internal/nativelib"
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

// GPU is Runtime for tests that need a GPU as well.
func GPU(t testing.TB) *ort.Runtime {
	t.Helper()
	rt := Runtime(t)
	if _, _, _, err := rt.Resolve(ort.CUDA); err != nil {
		testenv.Lacks(t, testenv.GPU, "%v", err)
	}
	return rt
}
