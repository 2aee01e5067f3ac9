package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// CompileLibrary compiles C source to the shared library path, with which a test
// stands in for ONNX Runtime or for NVIDIA's libraries, and returns path.
func CompileLibrary(t testing.TB, path, source string, args ...string) string {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		Lacks(t, Compiler, "needs a C compiler on Linux")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(compiler,
		append([]string{"-shared", "-fPIC", "-x", "c", "-o", path, "-", "-Wl,-soname," + filepath.Base(path)},
			args...)...)
	command.Stdin = strings.NewReader(source)
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return path
}

// FakeRuntime compiles a library that reports to be ONNX Runtime of a version and does
// nothing else. More is C source that the library holds as well.
func FakeRuntime(t testing.TB, path, version, more string) string {
	t.Helper()
	return CompileLibrary(t, path, more+fmt.Sprintf(`
		static const void *api(unsigned v) { return 0; }
		static const char *version(void) { return %q; }
		static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {api, version};
		const void *OrtGetApiBase(void) { return &base; }`, version))
}

// FakeDriver compiles a libcuda.so.1 that serves the CUDA version (13000 is 13.0) and shows
// that many GPUs, and returns its folder. As NVIDIA's it takes the handlers of SIGINT and
// SIGTERM without SA_ONSTACK. Its cuInit returns failure.
func FakeDriver(t testing.TB, version, gpus, failure int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	CompileLibrary(t, filepath.Join(folder, "libcuda.so.1"), fmt.Sprintf(`
		#include <signal.h>
		#include <string.h>
		static void taken(int s) { (void)s; }
		int cuInit(unsigned f) {
			struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = taken;
			sigaction(SIGINT, &a, 0);
			sigaction(SIGTERM, &a, 0);
			return %d;
		}
		int cuDriverGetVersion(int *v) { *v = %d; return 0; }
		int cuDeviceGetCount(int *n) { *n = %d; return 0; }
		int cuDeviceGet(int *d, int i) { *d = i; return 0; }
		int cuDeviceGetName(char *n, int l, int d) { strncpy(n, "NVIDIA Test GPU", l); return 0; }
		int cuDeviceTotalMem_v2(unsigned long *b, int d) { *b = 24ul << 30; return 0; }
		int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 8 : 6; return 0; }`, failure, version, gpus))
	return folder
}

const child = "FX_TEST_CHILD"

// Child returns the command that runs the test again in a process of its own, where
// IsChild is true, with further environment variables.
func Child(t *testing.T, environment ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(append(os.Environ(), child+"=1"), environment...)
	return command
}

// Rerun runs Child and returns what it printed.
func Rerun(t *testing.T, environment ...string) (string, error) {
	t.Helper()
	text, err := Child(t, environment...).CombinedOutput()
	return string(text), err
}

// IsChild tells whether this process is a Child.
func IsChild() bool { return os.Getenv(child) != "" }
