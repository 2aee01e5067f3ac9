package ort

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fx/internal/fail"
)

// fakeDriver is a libcuda.so.1 that shows one GPU and, as NVIDIA's does, takes
// the handler of SIGINT without SA_ONSTACK. With error it fails so.
func fakeDriver(t *testing.T, version, gpus, failure int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	compile(t, filepath.Join(folder, "libcuda.so.1"), fmt.Sprintf(`
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

// needsNoDriver skips where a real driver would answer instead of the fake one.
func needsNoDriver(t *testing.T) {
	if runtime.GOOS != "linux" || driverInstalled() && !isChild() {
		t.Skip("needs Linux without NVIDIA's driver")
	}
}

// Ctrl+C works after NVIDIA's driver has taken its handler. Without keepSignals
// Go dies: "non-Go code set up signal handler without SA_ONSTACK flag".
func TestCtrlCSurvivesTheDriver(t *testing.T) {
	needsNoDriver(t)
	if isChild() {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		driver, problem := askDriver()
		if problem != nil || len(driver.gpus) != 1 {
			t.Fatal(driver, problem)
		}
		for range 3 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			select {
			case <-interrupted:
			case <-time.After(5 * time.Second):
				t.Fatal("Go did not get the signal")
			}
		}
		fmt.Println("three signals arrived;", driver.gpus[0], driver.gpus[0].Capability, driver.version())
		return
	}
	text, err := rerun(t, "LD_LIBRARY_PATH="+fakeDriver(t, 13000, 1, 0))
	if err != nil || !strings.Contains(text, "three signals arrived; NVIDIA Test GPU (24 GiB) 8.6 13.0") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestDriverProblemsSayWhatToDo(t *testing.T) {
	needsNoDriver(t)
	if isChild() {
		_, problem := askDriver()
		fmt.Printf("problem: %+v\n", *problem)
		return
	}
	for want, environment := range map[string]string{
		"no NVIDIA driver (libcuda.so.1 not found)":       "",
		"no GPU is visible (is CUDA_VISIBLE_DEVICES set?": "LD_LIBRARY_PATH=" + fakeDriver(t, 13000, 0, 0),
		"are of different versions (reboot":               "LD_LIBRARY_PATH=" + fakeDriver(t, 13000, 1, 803),
		"fails with CUDA error 77":                        "LD_LIBRARY_PATH=" + fakeDriver(t, 13000, 1, 77),
	} {
		text, err := rerun(t, environment)
		if err != nil || !strings.Contains(text, want) || !strings.Contains(text, "--device cpu") {
			t.Errorf("want %q: %v: %s", want, err, text)
		}
	}
}

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
		return compile(t, filepath.Join(folder, name), "int x_"+strings.NewReplacer(".", "_").Replace(name)+";", args...)
	}
	cudart := fmt.Sprintf("libcudart.so.%d", cudaMajor)
	make(toolkit, cudart, "")
	make(toolkit, "libcublasLt.so.13", "")
	make(toolkit, "libcublas.so.13", "libcublasLt.so.13")
	make(toolkit, fmt.Sprintf("libnvrtc.so.%d", cudaMajor), "")
	make(toolkit, "libcufft.so.12", "")
	make(cudnn, "libcudnn.so.9", "")
	make(dir, "libonnxruntime_providers_cuda.so", "libcublas.so.13 "+cudart)
	return Library{Path: fakeRuntime(t, filepath.Join(dir, "libonnxruntime.so.1.31.1"), "1.31.1"), Version: "1.31.1"}
}

func TestLibrariesAreOpenedAfterThoseTheyNeed(t *testing.T) {
	isolate(t)
	l := gpuLibrary(t, 13)
	if got := l.cudaMajor(); got != 13 {
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
	if opened, err := openShared(l.cudaProviderFile(), false); err == nil {
		opened.close()
		t.Fatal("the provider loads without its libraries: the test shows nothing")
	}
	if problem := l.openNVIDIA(); problem != nil {
		t.Fatal(problem.what)
	}
	opened, err := openShared(l.cudaProviderFile(), false)
	if err != nil {
		t.Fatal(err)
	}
	opened.close()
}

func TestMissingNVIDIALibrariesAreNamed(t *testing.T) {
	isolate(t)
	l := gpuLibrary(t, 14) // a CUDA that nothing here has opened
	for _, file := range []string{"cu13/lib/libnvrtc.so.14", "cudnn/lib/libcudnn.so.9"} {
		if err := os.Remove(filepath.Join(filepath.Dir(l.Path), "nvidia", file)); err != nil {
			t.Fatal(err)
		}
	}
	problem := l.openNVIDIA()
	if problem == nil || !strings.Contains(problem.what, "lacks libnvrtc.so.14") || !strings.Contains(problem.mend, "fx runtime install --gpu") {
		t.Errorf("problem %+v", problem)
	}
	if err := os.Remove(l.cudaProviderFile()); err != nil {
		t.Fatal(err)
	}
	if problem := l.openNVIDIA(); problem == nil || !strings.Contains(problem.what, "libonnxruntime_providers_cuda.so is missing") {
		t.Errorf("problem %+v", problem)
	}
}

func TestADriverThatIsTooOld(t *testing.T) {
	needsNoDriver(t)
	if isChild() {
		rt := &Runtime{library: gpuLibrary(t, 13), providers: []string{cudaProvider}}
		for _, id := range []int{0, 1} {
			_, problem := rt.cudaReady(id)
			fmt.Printf("problem: %+v\n", *problem)
		}
		return
	}
	text, err := rerun(t, "LD_LIBRARY_PATH="+fakeDriver(t, 12040, 1, 0))
	if err != nil || !strings.Contains(text, "serves CUDA up to 12.4, and the library needs CUDA 13") || !strings.Contains(text, "there is no GPU 1: the driver shows 1") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestDevices(t *testing.T) {
	for text, want := range map[string]Device{
		"": Auto, "auto": Auto, "CPU": CPU, "cuda": CUDA, "cuda:0": CUDA, " cuda:3 ": {Kind: "cuda", ID: 3},
	} {
		if got, err := ParseDevice(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"gpu", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "rocm"} {
		if _, err := ParseDevice(text); fail.KindOf(err) != fail.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// "cuda" never becomes the CPU; automatic does, and says why.
func TestCUDAWithoutAGPU(t *testing.T) {
	rt := testRuntime(t)
	_, problem := rt.cudaReady(0)
	if problem == nil {
		t.Skip("there is a GPU here")
	}
	_, err := rt.NewSession(selfTestModel(), SessionOptions{Device: CUDA})
	if fail.KindOf(err) != fail.Device || !strings.Contains(err.Error(), problem.what) || fail.HintOf(err) == "" {
		t.Errorf("kind %d, error %v, hint %q", fail.KindOf(err), err, fail.HintOf(err))
	}
	s, err := rt.NewSession(selfTestModel(), SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Device() != CPU || s.Why() != "cpu: "+problem.what {
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
		err := s.explain(&runtimeError{1, text}, "running")
		if fail.KindOf(err) != fail.Device || !strings.Contains(fail.HintOf(err), want) {
			t.Errorf("%s: kind %d, hint %q", text, fail.KindOf(err), fail.HintOf(err))
		}
	}
	if err := s.explain(&runtimeError{2, "Got invalid dimensions for input"}, "running"); fail.KindOf(err) != fail.Model {
		t.Errorf("an error of the model has kind %d", fail.KindOf(err))
	}
}

func TestErrorsAreToldWithoutPlacesInTheSource(t *testing.T) {
	got := plain(&runtimeError{1, `/src/provider.cc:63 Options Make(int) [ONNXRuntimeError] : 1 : FAIL : Parse "device_id":
		CUDA failure 36: not supported ; GPU=-1 ; hostname=vm ; file=/src/info.cc ; line=70 ; expr=cudaGetDeviceCount(&n);`}).Error()
	if want := `Parse "device_id": CUDA failure 36: not supported in cudaGetDeviceCount(&n);`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = plain(&runtimeError{1, `/onnxruntime_src/core/call.cc:154 std::conditional_t<T, void> onnxruntime::CudaCall(int, const char*) [with T = cudaError; bool B = true] /onnxruntime_src/core/arena.cc:360 void* onnxruntime::BFCArena::Allocate(size_t, bool) Failed to allocate memory`}).Error()
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
