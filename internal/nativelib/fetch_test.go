package nativelib

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fx/internal/fail"
)

// NVIDIA's packages are recorded at their first use, and the same ever after.
func TestNVIDIAsPackagesStayTheSame(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	const package1 = "nvidia_cudnn_cu13-9.0-py3-none-linux_x86_64.whl"
	const package2 = "nvidia_cudnn_cu13-9.1-py3-none-linux_x86_64.whl"
	isolate(t)
	wheels, options := cpuWheel(t)
	options.GPU, options.Force = true, true
	lay := func(name, content string) {
		writeWheel(t, filepath.Join(wheels, name), entry{"nvidia/cudnn/lib/libcudnn.so.9", []byte(content), 0o755})
	}
	fakePip(t, wheels)
	lay(package1, "cudnn")
	for range 2 {
		library, err := Install(t.Context(), options, &notes{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := readRecord(filepath.Dir(library.Path))
		if err != nil || len(r.Packages) != 2 || r.Packages[0].Name != package1 {
			t.Errorf("record %+v, %v", r, err)
		}
	}
	lay(package1, "not cudnn")
	if _, err := Install(t.Context(), options, &notes{}); err == nil || !strings.Contains(err.Error(), package1) ||
		!strings.Contains(err.Error(), "at its first use") || fail.HintOf(err) == "" {
		t.Errorf("another content: %v; %s", err, fail.HintOf(err))
	}
	if err := os.Remove(filepath.Join(wheels, package1)); err != nil {
		t.Fatal(err)
	}
	lay(package2, "a newer cudnn")
	if _, err := Install(t.Context(), options, &notes{}); err != nil {
		t.Errorf("a newer version: %v", err)
	}
}

// uv leaves no wheels; its unpacked packages are held to the same.
func TestPackagesThatUVUnpacked(t *testing.T) {
	cache, site := isolate(t), t.TempDir()
	lay := func(content string) {
		for name, text := range map[string]string{
			"nvidia/cudnn/lib/libcudnn.so.9": content,
			"nvidia/cudnn/cudnn.h":           "header",
			"nvidia_cudnn_cu13-9.0.dist-info/RECORD": "nvidia/cudnn/lib/libcudnn.so.9,sha256=x,1\n" +
				"nvidia/cudnn/cudnn.h,,\n",
			"numpy-2.0.dist-info/RECORD":                "numpy/core.so,,\n",
			"onnxruntime/capi/libonnxruntime.so.1.31.1": "library",
			"onnxruntime_gpu-1.31.1.dist-info/RECORD":   "onnxruntime/capi/libonnxruntime.so.1.31.1,,\n",
		} {
			path := filepath.Join(site, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, path, []byte(text))
		}
	}
	lay("cudnn")
	for range 2 {
		r := record{FetchedBy: "uv"}
		if err := r.takeSite(t.Context(), site, t.TempDir()); err != nil {
			t.Fatal(err)
		}
		if p := r.Packages; len(p) != 2 || p[0].Name != "nvidia_cudnn_cu13-9.0" ||
			p[1].Name != "onnxruntime_gpu-1.31.1" {
			t.Errorf("packages %+v", p)
		}
	}
	lay("not cudnn")
	r := record{FetchedBy: "uv"}
	err := r.takeSite(t.Context(), site, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "nvidia_cudnn_cu13-9.0 (from uv)") {
		t.Errorf("another content: %v", err)
	}
	if _, err := os.Stat(filepath.Join(cache, "registry", "nvidia_cudnn_cu13-9.0.json")); err != nil {
		t.Error(err)
	}
}
