package nativelib

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/testenv"
)

func TestFindLooksInOrder(t *testing.T) {
	cache := isolate(t)
	dir := t.TempDir()
	flag := testenv.FakeRuntime(t, filepath.Join(dir, "flag", "libonnxruntime.so.1.24.0"), "1.24.0", "")
	variable := testenv.FakeRuntime(t, filepath.Join(dir, "variable", "libonnxruntime.so.1.25.0"), "1.25.0", "")
	cached := testenv.FakeRuntime(t, filepath.Join(cache, "runtime", cpuBuild.folder(), "libonnxruntime.so.1.31.1"),
		"1.31.1", "")
	site := filepath.Join(dir, "venv", "lib", "python3.11", "site-packages", "onnxruntime", "capi")
	environment := testenv.FakeRuntime(t, filepath.Join(site, "libonnxruntime.so.1.26.0"), "1.26.0", "")
	t.Setenv("VIRTUAL_ENV", filepath.Join(dir, "venv"))
	t.Setenv("FX_ORT_LIB", variable)

	check := func(explicit, path, version, source string) {
		t.Helper()
		got, err := Find(explicit)
		if err != nil {
			t.Fatal(err)
		}
		if want := (Library{Path: path, Version: version, Source: source}); got != want {
			t.Errorf("found %+v, want %+v", got, want)
		}
	}
	check(flag, flag, "1.24.0", FromFlag)
	check(filepath.Dir(flag), flag, "1.24.0", FromFlag) // a folder serves too
	check("", variable, "1.25.0", FromEnvironment)
	t.Setenv("FX_ORT_LIB", "")
	check("", cached, "1.31.1", FromCache)
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	check("", environment, "1.26.0", fromVirtualEnv)
}

func TestANamedLibraryThatDoesNotServeIsAnError(t *testing.T) {
	cache := isolate(t)
	dir := t.TempDir()
	testenv.FakeRuntime(t, filepath.Join(cache, "runtime", cpuBuild.folder(), "libonnxruntime.so.1.31.1"), "1.31.1", "")
	old := testenv.FakeRuntime(t, filepath.Join(dir, "libonnxruntime.so.1.18.0"), "1.18.0", "")
	other := testenv.CompileLibrary(t, filepath.Join(dir, "libother.so"), "int other;")
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		old:                           "is ONNX Runtime 1.18.0, but fx needs 1.24 or newer",
		other:                         "is not ONNX Runtime",
		text:                          "file too short",
		filepath.Join(dir, "missing"): "no such file",
		t.TempDir():                   "the folder contains no libonnxruntime.so*",
	} {
		_, err := Find(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--ort-lib") {
			t.Errorf("%s: error %v, want one with %q", path, err, want)
		}
		if fail.KindOf(err) != fail.Device || fail.HintOf(err) == "" {
			t.Errorf("%s: kind %d, hint %q", path, fail.KindOf(err), fail.HintOf(err))
		}
	}
	t.Setenv("FX_ORT_LIB", old)
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), "FX_ORT_LIB names") {
		t.Errorf("error %v does not name FX_ORT_LIB", err)
	}
}

func TestAnOldLibraryThatNobodyNamedIsPassedOver(t *testing.T) {
	isolate(t)
	venv := t.TempDir()
	site := filepath.Join(venv, "lib", "python3.11", "site-packages", "onnxruntime", "capi")
	old := testenv.FakeRuntime(t, filepath.Join(site, "libonnxruntime.so.1.19.2"), "1.19.2", "")
	t.Setenv("VIRTUAL_ENV", venv)
	if !testenv.IsChild() { // a process of its own: here another test may have loaded a library
		text, err := testenv.Rerun(t)
		if err != nil {
			t.Errorf("%v: %s", err, text)
		}
		if strings.Contains(text, "SKIP") {
			t.Skip("the system has an ONNX Runtime")
		}
		return
	}
	_, looked, err := Survey("")
	if err == nil {
		t.Skip("the system has an ONNX Runtime")
	}
	if !strings.Contains(err.Error(), old+": is ONNX Runtime 1.19.2") ||
		!strings.Contains(fail.HintOf(err), "fx runtime install") {
		t.Errorf("error %v, hint %q", err, fail.HintOf(err))
	}
	if len(looked) != 1+len(systemNames()) {
		t.Errorf("looked at %+v", looked)
	}
}

func TestCompareVersions(t *testing.T) {
	ascending := []string{"", "1.9.0", "1.24", "1.24.1", "1.31.1", "2.0"}
	for i := range ascending {
		for j := range ascending {
			got := compareVersions(ascending[i], ascending[j])
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compare %q with %q: %d", ascending[i], ascending[j], got)
			}
		}
	}
}
