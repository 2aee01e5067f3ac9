package doctor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/nativelib"
	"fx/internal/ort/orttest"
	"fx/internal/testenv"
)

func TestExamineWithoutALibrary(t *testing.T) {
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	old := testenv.FakeRuntime(t, filepath.Join(t.TempDir(), "libonnxruntime.so.1.18.0"), "1.18.0", "")
	r := Examine(t.Context(), old)
	if r.Library != nil || r.CPU.Works || !strings.Contains(r.CPU.Problem, "1.18.0") ||
		!strings.Contains(r.CPU.Fix, "fx runtime install") {
		t.Errorf("report %+v", r)
	}
	if len(r.Candidates) == 0 || r.Candidates[0].Source != nativelib.FromFlag || r.Candidates[0].Problem == "" {
		t.Errorf("candidates %+v", r.Candidates)
	}
}

func TestExamineProvesTheCPU(t *testing.T) {
	rt := orttest.Runtime(t)
	r := Examine(t.Context(), rt.Library().Path)
	if r.Library == nil || r.Library.Path != rt.Library().Path || !r.CPU.Works || r.CPU.Problem != "" {
		t.Fatalf("report %+v", r)
	}
	if r.CUDA.Works != (len(r.CUDA.GPUs) > 0 && slices.Contains(rt.Providers(), "CUDAExecutionProvider") &&
		r.CUDA.Problem == "") || !r.CUDA.Works && r.CUDA.Fix == "" {
		t.Errorf("CUDA %+v", r.CUDA)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"cpu":{"works":true}`, `"version":"` + rt.Library().Version + `"`, `"providers":[`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

// What is wrong with an installation in fx's cache is told with the command that mends it.
func TestExamineSeesADamagedInstallation(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("FX_CACHE_DIR", cache)
	t.Setenv("FX_ORT_LIB", "")
	dir := filepath.Join(cache, "runtime", "onnxruntime-"+nativelib.Version+"-cpu")
	path := testenv.FakeRuntime(t, filepath.Join(dir, "libonnxruntime.so."+nativelib.Version), nativelib.Version, "")
	record := fmt.Sprintf(`{"format_version": 1, "requirement": "onnxruntime", "files": `+
		`[{"name": %q, "bytes": 1, "sha256": %q}]}`,
		filepath.Base(path), strings.Repeat("0", 64))
	if err := os.WriteFile(filepath.Join(dir, "installed.json"), []byte(record), 0o644); err != nil {
		t.Fatal(err)
	}
	r := Examine(t.Context(), "")
	if r.Library != nil || !strings.Contains(r.CPU.Problem, " is not what was installed: its SHA-256 is ") ||
		!strings.Contains(r.CPU.Fix, "fx runtime install") {
		t.Errorf("report %+v", r)
	}
	if len(r.Installed) != 1 || r.Installed[0].Works || r.Installed[0].Fix != "Run `fx runtime install`." {
		t.Errorf("installed %+v", r.Installed)
	}
}

// If ONNX Runtime does not load, neither the CPU nor the GPU works, and both have the reason.
func TestExamineWithALibraryThatDoesNotLoad(t *testing.T) {
	if testenv.IsChild() {
		text, err := json.Marshal(Examine(t.Context(), os.Getenv("FX_TEST_LIBRARY")))
		t.Log(string(text), err)
		return
	}
	library := testenv.FakeRuntime(t, filepath.Join(t.TempDir(), "libonnxruntime.so"), nativelib.Version, "")
	text, err := testenv.Rerun(t, "FX_CACHE_DIR="+t.TempDir(), "FX_TEST_LIBRARY="+library,
		"LD_LIBRARY_PATH="+testenv.FakeDriver(t, 13000, 1, 0))
	if err != nil || strings.Count(text, "does not support API version") != 2 {
		t.Errorf("%v: %s", err, text)
	}
}
