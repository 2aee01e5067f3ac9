package nativelib

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fx/internal/testenv"
)

// An archive has the library beside fx, and a wheel has it in the packages of fx's own environment. fx finds both
// without a network or a setting, also through a link to the program.
func TestLibrariesNearTheProgramAreFound(t *testing.T) {
	if testenv.IsChild() {
		library, err := Find("")
		t.Logf("found %s <%s> %v", library.Path, library.Source, err)
		return
	}
	if runtime.GOOS == "windows" {
		t.Skip("the fake library is a .so")
	}
	cache := isolate(t)
	root := t.TempDir()
	bin := filepath.Join(root, "bin")
	program := filepath.Join(bin, "fx")
	copyProgram(t, program)
	link := filepath.Join(t.TempDir(), "fx")
	if err := os.Symlink(program, link); err != nil {
		t.Fatal(err)
	}
	check := func(path, source string) {
		t.Helper()
		for _, name := range []string{program, link} {
			c := testenv.Child(t)
			c.Path = name
			output, err := c.CombinedOutput()
			if want := "found " + path + " <" + source + ">"; err != nil || !strings.Contains(string(output), want) {
				t.Errorf("%s: want %s: %v\n%s", name, want, err, output)
			}
		}
	}
	packages := filepath.Join(root, "lib", "python3.12", "site-packages", "onnxruntime", "capi")
	check(testenv.FakeRuntime(t, filepath.Join(packages, "libonnxruntime.so.1.26.0"), "1.26.0", ""), fromOwnEnv)
	check(testenv.FakeRuntime(t, filepath.Join(cache, "runtime", cpuBuild.folder(), "libonnxruntime.so.1.27.0"),
		"1.27.0", ""), FromCache)
	check(testenv.FakeRuntime(t, filepath.Join(bin, "libonnxruntime.so.1.28.0"), "1.28.0", ""), FromBeside)
	t.Setenv("LD_LIBRARY_PATH", testenv.FakeDriver(t, 13000, 1, 0))
	check(testenv.FakeRuntime(t, filepath.Join(cache, "runtime", gpuBuild.folder(), "libonnxruntime.so.1.29.0"),
		"1.29.0", ""), FromCache)
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o777)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
