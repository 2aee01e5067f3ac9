package orttest_test

import (
	"fmt"
	"testing"

	"fx/internal/ort/orttest"
)

func TestRuntime(t *testing.T) {
	if rt := orttest.Runtime(t); rt.Library().Path == "" {
		t.Error("a runtime without a library")
	}
}

func Example() {
	test := func(t *testing.T) { orttest.Runtime(t) } // skipped where there is no ONNX Runtime
	fmt.Println(test != nil)
	// Output: true
}
