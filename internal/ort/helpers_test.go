package ort

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"fx/internal/progress"
)

// testRuntime loads the ONNX Runtime that a user of this machine would get.
func testRuntime(t testing.TB) *Runtime {
	t.Helper()
	library, err := Find("")
	if err != nil {
		t.Skipf("no ONNX Runtime here, `fx runtime install` fetches it: %v", err)
	}
	rt, err := Load(library)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// compile makes a shared library of C code, with which the tests stand in for
// ONNX Runtime and NVIDIA's libraries.
func compile(t testing.TB, path, source string, args ...string) string {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("needs a C compiler on Linux")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(compiler, append([]string{"-shared", "-fPIC", "-x", "c", "-o", path, "-", "-Wl,-soname," + filepath.Base(path)}, args...)...)
	command.Stdin = strings.NewReader(source)
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return path
}

// fakeRuntime makes a library that says it is ONNX Runtime of a version.
func fakeRuntime(t testing.TB, path, version string) string {
	t.Helper()
	return compile(t, path, fmt.Sprintf(`
		static const void *api(unsigned v) { return 0; }
		static const char *version(void) { return "%s"; }
		static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {api, version};
		const void *OrtGetApiBase(void) { return &base; }`, version))
}

// isolate gives a test a cache of its own and no environment that leads elsewhere.
func isolate(t *testing.T) (cache string) {
	t.Helper()
	cache = filepath.Join(t.TempDir(), "cache")
	t.Setenv("FX_CACHE_DIR", cache)
	for _, variable := range []string{"FX_ORT_LIB", "VIRTUAL_ENV", "CONDA_PREFIX"} {
		t.Setenv(variable, "")
	}
	return cache
}

// rerun runs the test's helper branch in a process of its own and returns its output.
func rerun(t *testing.T, environment ...string) (string, error) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(append(os.Environ(), "FX_ORT_TEST_CHILD=1"), environment...)
	text, err := command.CombinedOutput()
	return string(text), err
}

func isChild() bool { return os.Getenv("FX_ORT_TEST_CHILD") != "" }

// notes collects what a user would be told.
type notes struct {
	mu     sync.Mutex
	lines  []string
	stages []string
}

func (n *notes) Note(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) Begin(stage string, _ int64, _ string) progress.Task {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stages = append(n.stages, stage)
	return progress.Discard.Begin("", 0, "")
}

func (n *notes) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}
