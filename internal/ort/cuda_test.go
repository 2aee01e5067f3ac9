package ort

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fx/internal/cuda"
	"fx/internal/fail"
	"fx/internal/nativelib"
	"fx/internal/testenv"
)

// needsNoDriver skips where a real driver would answer instead of the fake one.
func needsNoDriver(t *testing.T) {
	if runtime.GOOS != "linux" || cuda.Installed() && !testenv.IsChild() {
		t.Skip("needs Linux without NVIDIA's driver")
	}
}

func TestADriverThatIsTooOld(t *testing.T) {
	needsNoDriver(t)
	if testenv.IsChild() {
		dir := t.TempDir()
		testenv.CompileLibrary(t, filepath.Join(dir, "libcudart.so.13"), "int x;")
		testenv.CompileLibrary(t, filepath.Join(dir, "libonnxruntime_providers_cuda.so"), "int y;",
			"-Wl,--no-as-needed", "-L"+dir, "-l:libcudart.so.13")
		rt := &Runtime{library: nativelib.Library{Path: filepath.Join(dir, "libonnxruntime.so")},
			providers: []string{cudaProvider}}
		for _, id := range []int{0, 1} {
			_, err := rt.cudaReady(id)
			fmt.Printf("problem: %v\n", err)
		}
		return
	}
	text, err := testenv.Rerun(t, "LD_LIBRARY_PATH="+testenv.FakeDriver(t, 12040, 1, 0))
	if err != nil || !strings.Contains(text, "supports CUDA up to 12.4, but the library needs CUDA 13") ||
		!strings.Contains(text, "there is no GPU 1: the driver reports 1") {
		t.Errorf("%v: %s", err, text)
	}
}

// "cuda" never becomes the CPU; automatic does, and says why.
func TestCUDAWithoutAGPU(t *testing.T) {
	rt := testRuntime(t)
	_, problem := rt.cudaReady(0)
	if problem == nil {
		t.Skip("there is a GPU here")
	}
	_, err := rt.NewSession(sums(), SessionOptions{Device: CUDA})
	if fail.KindOf(err) != fail.Device || !strings.Contains(err.Error(), problem.Error()) || fail.HintOf(err) == "" {
		t.Errorf("kind %d, error %v, hint %q", fail.KindOf(err), err, fail.HintOf(err))
	}
	s, err := rt.NewSession(sums(), SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Device() != CPU || s.Why() != "cpu: "+problem.Error() {
		t.Errorf("on %s: %s", s.Device(), s.Why())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestMemoryErrorsHintAtTheBatchSize(t *testing.T) {
	s := &Session{placed: placement{cuda: true, device: CUDA}}
	for text, want := range map[string]string{
		"CUDA failure 2: out of memory ; GPU=0":                                             "batch",
		"BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of 9": "batch",
		"CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED":                                      "batch",
		"CUDNN failure 8: CUDNN_STATUS_EXECUTION_FAILED":                                    "doctor",
	} {
		err := s.explain(errors.New(text), "running")
		if fail.KindOf(err) != fail.Device || !strings.Contains(fail.HintOf(err), want) {
			t.Errorf("%s: kind %d, hint %q", text, fail.KindOf(err), fail.HintOf(err))
		}
	}
	if err := s.explain(errors.New("Got invalid dimensions for input"), "running"); fail.KindOf(err) != fail.Model {
		t.Errorf("an error of the model has kind %d", fail.KindOf(err))
	}
}

func TestErrorsAreToldWithoutPlacesInTheSource(t *testing.T) {
	got := plain(errors.New(`/src/provider.cc:63 Options Make(int) [ONNXRuntimeError] : 1 : FAIL : Parse "device_id":
		CUDA failure 36: not supported ; GPU=-1 ; hostname=vm ; file=/src/info.cc ; line=70 ; expr=cudaGetDeviceCount(&n);`)).Error()
	if want := `Parse "device_id": CUDA failure 36: not supported in cudaGetDeviceCount(&n);`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = plain(errors.New(
		`/onnxruntime_src/core/call.cc:154 ` +
			`std::conditional_t<T, void> onnxruntime::CudaCall(int, const char*) [with T = cudaError; bool B = true] ` +
			`/onnxruntime_src/core/arena.cc:360 void* onnxruntime::BFCArena::Allocate(size_t, bool) ` +
			`Failed to allocate memory`)).Error()
	if want := "Failed to allocate memory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCUDAOptionsAreReadBack(t *testing.T) {
	got := splitOptions("device_id=0;use_tf32=1; cudnn_conv_algo_search=HEURISTIC;broken")
	if len(got) != 3 || got["cudnn_conv_algo_search"] != "HEURISTIC" {
		t.Errorf("options %v", got)
	}
}
