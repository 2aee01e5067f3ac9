package ort

import (
	"testing"

	"fx/internal/nativelib"
	"fx/internal/testenv"
)

// testRuntime loads the ONNX Runtime that a user of this machine would get.
func testRuntime(t testing.TB) *Runtime {
	t.Helper()
	if _, err := nativelib.Find(""); err != nil {
		testenv.Lacks(t, testenv.Runtime, "no ONNX Runtime here, `fx runtime install` fetches it: %v", err)
	}
	rt, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	return rt
}
