package ortapi_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/ortapi"
)

// fx and onnxruntime_go share ONNX Runtime's table of functions, so both must declare the same one.
func TestTheHeaderIsTheBindings(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"onnxruntime_c_api.h", "onnxruntime_ep_c_api.h"} {
		want, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not the one of onnxruntime_go: copy that one here", name)
		}
	}
}

func Example() {
	fmt.Printf("fx needs ONNX Runtime 1.%d or newer\n", ortapi.Version)
	// Output: fx needs ONNX Runtime 1.24 or newer
}
