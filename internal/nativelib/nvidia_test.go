package nativelib

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/dynlib"
	"fx/internal/fail"
	"fx/internal/testenv"
)

// gpuLibrary is a folder like one of `fx runtime install --gpu`, of stand-ins
// that need each other as the real ones do.
func gpuLibrary(t *testing.T, cudaMajor int) Library {
	t.Helper()
	dir := t.TempDir()
	toolkit, cudnn := filepath.Join(dir, "nvidia", "cu13", "lib"), filepath.Join(dir, "nvidia", "cudnn", "lib")
	make := func(folder, name, needs string) string {
		args := []string{"-Wl,--no-as-needed"}
		for _, n := range strings.Fields(needs) {
			args = append(args, "-L"+toolkit, "-l:"+n)
		}
		return testenv.CompileLibrary(t, filepath.Join(folder, name),
			"int x_"+strings.NewReplacer(".", "_").Replace(name)+";", args...)
	}
	cudart := fmt.Sprintf("libcudart.so.%d", cudaMajor)
	make(toolkit, cudart, "")
	make(toolkit, "libcublasLt.so.13", "")
	make(toolkit, "libcublas.so.13", "libcublasLt.so.13")
	make(toolkit, fmt.Sprintf("libnvrtc.so.%d", cudaMajor), "")
	make(toolkit, "libcufft.so.12", "")
	make(cudnn, "libcudnn.so.9", "")
	make(dir, "libonnxruntime_providers_cuda.so", "libcublas.so.13 "+cudart)
	return Library{Path: testenv.FakeRuntime(t, filepath.Join(dir, "libonnxruntime.so.1.31.1"), "1.31.1", ""),
		Version: "1.31.1"}
}

func TestLibrariesAreOpenedAfterThoseTheyNeed(t *testing.T) {
	isolate(t)
	l := gpuLibrary(t, 13)
	if got := l.CUDAVersion(); got != 13 {
		t.Errorf("built for CUDA %d", got)
	}
	folders := l.nvidiaFolders()
	order, absent := provide(append(neededBy(l.cudaProviderFile()), l.lateNames(folders)...), folders)
	var names []string
	for _, path := range order {
		names = append(names, filepath.Base(path))
	}
	want := "libcublasLt.so.13 libcublas.so.13 libcudart.so.13 libnvrtc.so.13 libcufft.so.12 libcudnn.so.9"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if slices.ContainsFunc(absent, func(name string) bool { return !strings.HasPrefix(name, "libc.") }) {
		t.Errorf("absent %v", absent)
	}
}

// The provider itself, which knows no folder, loads once its libraries are preloaded.
func TestPreloadMakesLDLibraryPathNeedless(t *testing.T) {
	isolate(t)
	l := gpuLibrary(t, 13)
	if opened, err := dynlib.Open(l.cudaProviderFile(), false); err == nil {
		opened.Close()
		t.Fatal("the provider loads without its libraries: the test shows nothing")
	}
	if err := l.openNVIDIA(); err != nil {
		t.Fatal(err)
	}
	opened, err := dynlib.Open(l.cudaProviderFile(), false)
	if err != nil {
		t.Fatal(err)
	}
	opened.Close()
}

func TestMissingNVIDIALibrariesAreNamed(t *testing.T) {
	isolate(t)
	l := gpuLibrary(t, 14) // a CUDA that nothing here has opened
	for _, file := range []string{"cu13/lib/libnvrtc.so.14", "cudnn/lib/libcudnn.so.9"} {
		if err := os.Remove(filepath.Join(filepath.Dir(l.Path), "nvidia", file)); err != nil {
			t.Fatal(err)
		}
	}
	err := l.openNVIDIA()
	if err == nil || !strings.Contains(err.Error(), "needs libnvrtc.so.14") ||
		!strings.Contains(fail.HintOf(err), "fx runtime install --gpu") {
		t.Errorf("%v; %s", err, fail.HintOf(err))
	}
	if err := os.Remove(l.cudaProviderFile()); err != nil {
		t.Fatal(err)
	}
	if err := l.openNVIDIA(); err == nil || !strings.Contains(err.Error(),
		"libonnxruntime_providers_cuda.so is missing") {
		t.Errorf("%v", err)
	}
}
