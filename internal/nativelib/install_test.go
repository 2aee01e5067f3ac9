package nativelib

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/testenv"
)

// fakePip puts stand-ins first in PATH: a python3 whose pip copies wheels, and
// an apt-get and a dpkg-deb for TurboJPEG. Variables steer them.
func fakePip(t *testing.T, wheels string) (calls func() []string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	bin := t.TempDir()
	log := filepath.Join(bin, "log")
	scripts := map[string]string{
		"python3": `
			case "$*" in *"pip --version"*) exit 0;; esac
			echo "$@" >> "$FX_FAKE_LOG"
			if [ -n "$FX_FAKE_SLEEP" ]; then : > "$FX_FAKE_SLEEP"; exec sleep 20; fi
			if [ -n "$FX_FAKE_FAIL" ]; then echo "$FX_FAKE_FAIL" >&2; exit 1; fi
			previous=; for a; do if [ "$previous" = --dest ]; then dest=$a; fi; previous=$a; done
			cp "$FX_FAKE_WHEELS"/*.whl "$dest"`,
		"apt-get": `
			if [ "$2" != "$FX_FAKE_DEB_NAME" ]; then echo "E: Unable to locate package $2" >&2; exit 100; fi
			cp "$FX_FAKE_DEB" ./turbo.deb`,
		"dpkg-deb": `mkdir -p "$3/usr/lib/x" && cp "$2" "$3/usr/lib/x/libturbojpeg.so.0.2.0"`,
	}
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("FX_FAKE_LOG", log)
	t.Setenv("FX_FAKE_WHEELS", wheels)
	return func() []string {
		text, _ := os.ReadFile(log)
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// cpuWheel makes a wheel like onnxruntime's, around a stand-in, and returns the options that install it.
func cpuWheel(t *testing.T) (folder string, options InstallOptions) {
	t.Helper()
	folder = t.TempDir()
	library, err := os.ReadFile(testenv.FakeRuntime(t, filepath.Join(t.TempDir(), "lib.so"), Version, ""))
	if err != nil {
		t.Fatal(err)
	}
	writeWheel(t, filepath.Join(folder, "onnxruntime-"+Version+"-cp311-cp311-linux_x86_64.whl"),
		entry{"onnxruntime/__init__.py", []byte("import os"), 0o644},
		entry{"onnxruntime/capi/libonnxruntime.so." + Version, library, 0o755},
		entry{"onnxruntime/capi/onnxruntime_pybind11_state.so", []byte("python's"), 0o755},
		entry{"onnxruntime/capi/libonnxruntime_providers_shared.so", []byte("shared"), 0o755})
	return folder, InstallOptions{SHA256: sha256Hex(library)}
}

func sha256Hex(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestInstallTakesOnlyTheLibrariesAndIsIdempotent(t *testing.T) {
	cache := isolate(t)
	wheels, options := cpuWheel(t)
	calls := fakePip(t, wheels)
	library, err := Install(t.Context(), options, &notes{})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "runtime", cpuBuild.folder())
	if library.Path != filepath.Join(folder, "libonnxruntime.so."+Version) || library.Version != Version ||
		library.Source != FromCache {
		t.Errorf("installed %+v", library)
	}
	if got := contents(t, folder); got != "installed.json libonnxruntime.so.1.31.1 libonnxruntime_providers_shared.so" {
		t.Errorf("the folder holds %s", got)
	}
	if found, err := Find(""); err != nil || found != library {
		t.Errorf("found %+v, %v", found, err)
	}
	r, err := readRecord(folder)
	if err != nil || len(r.Packages) != 1 || len(r.Packages[0].SHA256) != 64 || len(r.Files) != 2 ||
		r.FetchedBy != "pip" {
		t.Errorf("record %+v, %v", r, err)
	}
	for _, want := range []string{"--no-deps", "--only-binary=:all:", "onnxruntime==" + Version} {
		if !strings.Contains(calls()[0], want) {
			t.Errorf("pip was called with %s, without %s", calls()[0], want)
		}
	}

	said := &notes{}
	if again, err := Install(t.Context(), options, said); err != nil || again != library {
		t.Errorf("again: %+v, %v", again, err)
	}
	if len(calls()) != 1 || !strings.Contains(said.text(), "is already installed") {
		t.Errorf("%d calls of pip; said %q", len(calls()), said.text())
	}

	if err := os.WriteFile(filepath.Join(folder, "libonnxruntime_providers_shared.so"), []byte("shaped"),
		0o755); err != nil {
		t.Fatal(err)
	}
	said = &notes{}
	if _, err := Install(t.Context(), options, said); err != nil {
		t.Error(err)
	}
	if len(calls()) != 2 ||
		!strings.Contains(said.text(), "libonnxruntime_providers_shared.so is not what was installed") {
		t.Errorf("%d calls of pip; said %q", len(calls()), said.text())
	}
	if text, _ := os.ReadFile(filepath.Join(folder, "libonnxruntime_providers_shared.so")); string(text) != "shared" {
		t.Errorf("not mended: %q", text)
	}
	if _, err := Install(t.Context(), InstallOptions{Force: true, SHA256: options.SHA256}, &notes{}); err != nil ||
		len(calls()) != 3 {
		t.Errorf("with force: %d calls of pip, %v", len(calls()), err)
	}
	if got := contents(t, filepath.Dir(folder)); strings.Contains(got, stagingPrefix) ||
		strings.Contains(got, oldPrefix) {
		t.Errorf("left behind: %s", got)
	}
}

func TestInstallOfTheGPUBuildKeepsNVIDIAsLayout(t *testing.T) {
	cache := isolate(t)
	wheels, options := cpuWheel(t)
	options.GPU = true
	writeWheel(t, filepath.Join(wheels, "nvidia_cudnn_cu13-9.0-py3-none-linux_x86_64.whl"),
		entry{"nvidia/cudnn/lib/libcudnn.so.9", []byte("cudnn"), 0o755}, entry{"nvidia/cudnn/include/cudnn.h",
			[]byte("header"), 0o644})
	writeWheel(t, filepath.Join(wheels, "numpy-2.0-cp311-cp311-linux_x86_64.whl"),
		entry{"numpy/core.so", []byte("numpy"), 0o755})
	calls := fakePip(t, wheels)
	if _, err := Install(t.Context(), options, &notes{}); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "runtime", gpuBuild.folder())
	if got := contents(t,
		folder); got != "installed.json libonnxruntime.so.1.31.1 libonnxruntime_providers_shared.so nvidia" {
		t.Errorf("the folder holds %s", got)
	}
	if got := contents(t, filepath.Join(folder, "nvidia", "cudnn")); got != "lib" {
		t.Errorf("of cuDNN it holds %s", got)
	}
	if !strings.Contains(calls()[0], "onnxruntime-gpu[cuda,cudnn]=="+Version) ||
		strings.Contains(calls()[0], "--no-deps") {
		t.Errorf("pip was called with %s", calls()[0])
	}
}

func TestInstallErrorsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct{ said, want, hint string }{
		"no network": {"WARNING: Retrying after NewConnectionError\nERROR: No matching distribution found for " +
			"onnxruntime", "got no answer from its package index", "PIP_INDEX_URL for pip"},
		"a full disk": {"ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
			"No space left", "FX_CACHE_DIR"},
		"something else": {"ERROR: the sky falls", "the sky falls", "fx runtime install --from FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := isolate(t)
			fakePip(t, "")
			t.Setenv("FX_FAKE_FAIL", c.said)
			_, err := Install(t.Context(), InstallOptions{}, &notes{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fail.HintOf(err), c.hint) {
				t.Errorf("error %v, hint %q", err, fail.HintOf(err))
			}
			if kind := fail.KindOf(err); kind != fail.Device && kind != fail.DiskFull {
				t.Errorf("kind %d", kind)
			}
			if got := contents(t, filepath.Join(cache, "runtime")); got != "lock" {
				t.Errorf("left behind: %s", got)
			}
		})
	}
	t.Run("no pip", func(t *testing.T) {
		isolate(t)
		t.Setenv("PATH", t.TempDir())
		_, err := Install(t.Context(), InstallOptions{}, &notes{})
		if fail.KindOf(err) != fail.Device || !strings.Contains(err.Error(), "neither pip nor uv") ||
			!strings.Contains(fail.HintOf(err), "fx runtime install --from FILE") {
			t.Errorf("error %v, hint %q", err, fail.HintOf(err))
		}
	})
	t.Run("a library that does not load", func(t *testing.T) {
		cache, wheels, library := isolate(t), t.TempDir(), []byte("of another machine")
		writeWheel(t, filepath.Join(wheels, "onnxruntime-1-any.whl"),
			entry{"onnxruntime/capi/libonnxruntime.so.1", library, 0o755})
		fakePip(t, wheels)
		_, err := Install(t.Context(), InstallOptions{SHA256: sha256Hex(library)}, &notes{})
		if err == nil || !strings.Contains(err.Error(), "does not work on this system") {
			t.Errorf("error %v", err)
		}
		if got := contents(t, filepath.Join(cache, "runtime")); got != "lock" {
			t.Errorf("left behind: %s", got)
		}
	})
}

// The wheel is that of one Python, whichever is there, so that its library has one hash.
func TestInstallTakesTheSameWheelForEveryPython(t *testing.T) {
	for build, want := range map[flavour]string{
		cpuBuild: "--python-version 3.12 --implementation cp --abi cp312 --platform PLATFORM onnxruntime==1.31.1",
		gpuBuild: "--python-version 3.12 --implementation cp --abi cp312 --abi abi3 --abi none --platform PLATFORM",
	} {
		p, known := pinned(build)
		if !known {
			continue // no such package for this system
		}
		isolate(t)
		wheels, options := cpuWheel(t)
		options.GPU = build == gpuBuild
		calls := fakePip(t, wheels)
		if _, err := Install(t.Context(), options, &notes{}); err != nil {
			t.Fatal(err)
		}
		if want = strings.ReplaceAll(want, "PLATFORM", p.platform); !strings.Contains(calls()[0], want) {
			t.Errorf("pip was called with %s, without %s", calls()[0], want)
		}
	}
}

func TestInstallStopsWithItsContext(t *testing.T) {
	cache := isolate(t)
	wheels, options := cpuWheel(t)
	fakePip(t, wheels)
	started := filepath.Join(t.TempDir(), "started")
	t.Setenv("FX_FAKE_SLEEP", started)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, started)
		cancel()
	}()
	start := time.Now()
	if _, err := Install(ctx, options, &notes{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	if got := contents(t, filepath.Join(cache, "runtime")); got != "lock" {
		t.Errorf("left behind: %s", got)
	}
}

func waitFor(t *testing.T, path string) {
	for range 500 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s did not appear", path)
}

// kill -9 in the middle leaves nothing that is used, and the next installation
// cleans up; one that comes meanwhile waits and says so.
func TestAKilledInstallLeavesNothingHalf(t *testing.T) {
	if testenv.IsChild() {
		_, _ = Install(t.Context(), InstallOptions{}, &notes{}) // killed in here
		return
	}
	cache := isolate(t)
	wheels, options := cpuWheel(t)
	fakePip(t, wheels)
	started := filepath.Join(t.TempDir(), "started")
	child := testenv.Child(t, "FX_FAKE_SLEEP="+started)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, started)

	said := &notes{}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Install(ctx, options, said); !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(said.text(), "another fx is installing") {
		t.Errorf("beside another: %v, said %q", err, said.text())
	}
	if err := child.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	root := filepath.Join(cache, "runtime")
	if got := contents(t, root); !strings.Contains(got, stagingPrefix) || strings.Contains(got, "onnxruntime-") {
		t.Fatalf("after the kill there is %s", got)
	}
	if _, err := Install(t.Context(), options, &notes{}); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, root); got != "lock "+cpuBuild.folder() &&
		!strings.HasPrefix(got, "lock "+cpuBuild.folder()+" turbojpeg") {
		t.Errorf("left: %s", got)
	}
}

func TestTurboJPEGFromDebiansPackage(t *testing.T) {
	root := t.TempDir()
	fakePip(t, "")
	t.Setenv("FX_FAKE_DEB", testenv.CompileLibrary(t, filepath.Join(t.TempDir(), "libturbojpeg.so.0"), "int tj;"))
	target := filepath.Join(root, "turbojpeg")
	if err := fetchTurboJPEG(t.Context(), root, target); err == nil ||
		!strings.Contains(err.Error(), "Unable to locate package libturbojpeg") {
		t.Errorf("without a package: %v", err)
	}
	for _, name := range []string{"libturbojpeg0", "libturbojpeg"} { // Debian, Ubuntu
		t.Setenv("FX_FAKE_DEB_NAME", name)
		if err := fetchTurboJPEG(t.Context(), root, target); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := contents(t, target); got != "installed.json libturbojpeg.so.0" {
			t.Errorf("%s: the folder holds %s", name, got)
		}
		if r, err := readRecord(target); err != nil || r.verify(t.Context(), target) != nil || r.Requirement != name {
			t.Errorf("%s: record %+v, %v", name, r, err)
		}
	}
	t.Setenv("FX_FAKE_DEB", "/dev/null")
	if err := fetchTurboJPEG(t.Context(), root, target); err == nil {
		t.Error("an empty library was taken")
	}
	if got := contents(t, root); got != "turbojpeg" {
		t.Errorf("left behind: %s", got)
	}
}

// Without apt, the runtime is installed all the same, and a note says what is missing.
func TestNoTurboJPEGWithoutApt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	root := t.TempDir()
	err := fetchTurboJPEG(t.Context(), root, filepath.Join(root, "turbojpeg"))
	if runtime.GOOS == "linux" && (err == nil || err.Error() != "apt-get, which fetches it, is missing") {
		t.Error(err)
	}
	if have := contents(t, root); have != "" {
		t.Errorf("left behind: %s", have)
	}
}
