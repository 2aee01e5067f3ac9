package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
)

// fakeFx answers every command with a text.
func fakeFx(t *testing.T, answer string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "fx")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncat <<'EOF'\n"+answer+"\nEOF\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWithoutAGPUTheExitCodeIsSeven(t *testing.T) {
	fx := fakeFx(t, `{"cuda": {"works": false, "problem": "no NVIDIA driver", "mend": "Install it."}}`)
	var stdout, stderr bytes.Buffer
	out := filepath.Join(t.TempDir(), "table.md")
	err := run(t.Context(), []string{"--fx", fx, "--out", out}, &stdout, &stderr)
	if fail.KindOf(err) != 7 || !strings.Contains(err.Error(), "no GPU to check here: no NVIDIA driver") ||
		fail.HintOf(err) != "Install it." {
		t.Errorf("error %v, hint %q", err, fail.HintOf(err))
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a table was written")
	}
}

func TestNaNIsNotWithin(t *testing.T) {
	good := result{name: "good", photos: 2, distance: distance{1e-4, 2e-4}}
	bad := result{name: "bad", distance: distance{math.NaN(), math.NaN()}}
	if !good.within(1e-3) || bad.within(1e-3) || (result{exact: distance{0, 0.1}}).within(1e-3) {
		t.Error("a wrong verdict")
	}
	if got, want := good.row(1e-3), "| good | 0 | 0 | 0 | 1.0e-04 | 2.0e-04 | 0.0e+00 | yes |\n"; got != want {
		t.Errorf("row %q, want %q", got, want)
	}
	if got := bad.row(1e-3); !strings.Contains(got, "**no** |") {
		t.Errorf("row %q", got)
	}
}

func TestReportIsWrittenWithEveryAddition(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "report.md")
	r, err := newReport(path, machine{gpu: "NVIDIA Test", driver: "580.1", cpu: "CPU", library: "ONNX Runtime 1.31.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"first\n", "second\n"} {
		if err := r.add("%s", more); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasSuffix(string(text), more) ||
			!strings.Contains(string(text), "GPU: NVIDIA Test, driver 580.1") {
			t.Errorf("%s, %v", text, err)
		}
	}
	if got := slug("NVIDIA H100 80GB HBM3 (80 GiB)"); got != "nvidia-h100-80gb-hbm3-80-gib" {
		t.Errorf("slug %q", got)
	}
}

func TestOutcomesOfTests(t *testing.T) {
	passed, failed, skipped := outcomes("=== RUN   TestCUDAA\n--- PASS: TestCUDAA (0.1s)\n" +
		"    --- PASS: TestCUDAA/sub (0.1s)\n" +
		"--- FAIL: TestCUDAB (0.00s)\n    x_test.go:3: --- FAIL: no\n--- SKIP: TestCUDAC (0.00s)\nFAIL\n")
	if passed != 1 || skipped != 1 || !slices.Equal(failed, []string{"TestCUDAB"}) {
		t.Errorf("%d passed, %v failed, %d skipped", passed, failed, skipped)
	}
}

func TestDifferencesOfTrainings(t *testing.T) {
	want := training{losses: []float64{2, 1}, gradients: map[string][]float32{"w": {3, 4}, "b": {1e-8}}}
	got := training{losses: []float64{2.02, 1.1}, gradients: map[string][]float32{"w": {3, 4.5}, "b": {5}}}
	got.gradients["b"] = []float32{2e-8} // zero, but for rounding, is no parameter to judge by
	d := apart(got, want)
	if math.Abs(d.loss-0.01) > 1e-9 || math.Abs(d.curve-0.1) > 1e-9 || math.Abs(d.gradient-0.1) > 1e-6 ||
		d.where != "w" || math.Abs(d.worst-0.1) > 1e-6 {
		t.Errorf("%+v", d)
	}
	got.gradients["w"][0] = float32(math.NaN())
	if d := apart(got, want); !math.IsNaN(d.gradient) || d.gradient <= 1 {
		t.Errorf("NaN: %+v", d)
	}
	delete(got.gradients, "w")
	if d := apart(got, want); !math.IsNaN(d.loss) {
		t.Errorf("a missing gradient: %+v", d)
	}
}

// A stand-in for the Python that has torch.
func TestTorchIsReadLineByLine(t *testing.T) {
	python := fakeFx(t, `a line of a library
{"torch": "2.11.0", "torchvision": "0.26.0", "device": "NVIDIA Test"}
{"network": "resnet18", "batch": 8, "precision": "float32", "mode": "eager", "ms": 12.5}
{"network": "resnet18", "batch": 8, "precision": "float32", "mode": "compile", "problem": "OutOfMemoryError: none left"}`)
	o := options{python: python, scratch: t.TempDir(), device: "cuda", backbones: []string{"resnet18"},
		batches: []int{8}, precisions: []string{"float32"}, log: io.Discard}
	timings, about, err := timeTorch(t.Context(), o)
	if err != nil || about != "2.11.0, torchvision 0.26.0" {
		t.Fatal(about, err)
	}
	c := combination{"resnet18", 8, "float32"}
	table := speedTable([]combination{c}, map[combination]timing{c: {MS: 5}}, timings)
	if want := "| resnet18 | 8 | float32 | 5.00 | 1600 | 12.50 | OutOfMemoryError: none left | 2.50 | – " +
		"|\n"; !strings.HasSuffix(table, want) {
		t.Errorf("%q does not end in %q", table, want)
	}
	o.python = fakeFx(t, `{"problem": "torch 2.11.0 sees no CUDA"}`)
	if _, _, err := timeTorch(t.Context(), o); err == nil || err.Error() != "torch 2.11.0 sees no CUDA" {
		t.Errorf("error %v", err)
	}
	o.python = filepath.Join(t.TempDir(), "python")
	if _, _, err := timeTorch(t.Context(), o); err == nil || !strings.Contains(err.Error(), "does not start") {
		t.Errorf("error %v", err)
	}
}

// build runs go in the module of fx, which is not the one of bench.
func build(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{"-C", filepath.Join("..", "..")}, args...)
	if text, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v: %s", args, err, text)
	}
}

// The whole check, rehearsed on the CPU with one small network.
func TestRehearsal(t *testing.T) {
	if testing.Short() {
		t.Skip("builds fx and trains")
	}
	orttest.Library(t)
	dir := t.TempDir()
	build(t, "build", "-o", filepath.Join(dir, "fx"), "fx")
	build(t, "test", "-c", "-o", filepath.Join(dir, "ort.test"), "fx/internal/ort")
	python := fakeFx(t, `{"torch": "2.11.0", "torchvision": "0.26.0"}
{"network": "squeezenet1_1", "batch": 2, "precision": "float32", "mode": "eager", "ms": 100}`)
	photos, err := drawPhotosOf(filepath.Join(dir, "photos"), 3)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	out := filepath.Join(dir, "table.md")
	err = run(t.Context(), []string{
		"--device", "cpu", "--fx", filepath.Join(dir,
			"fx"), "--tests", dir, "--python", python, "--data", photos, "--out", out,
		"--backbones", "squeezenet1_1", "--batches", "2", "--precisions", "float32", "--steps", "2", "--seconds", "0.1",
		"--peers", "", "--photos", "7", "--extract-batches", "2",
	}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"GPU: none: rehearsed on the CPU", "| squeezenet1_1 | float32 | 0.0e+00 | 0.0e+00 | 0.0e+00 `` | 0.0e+00 | " +
			"yes |",
		"| squeezenet1_1 | float16 |", "| squeezenet1_1 | 2 | float32 | " +
			"", " | 100.00 | – | ", "Beside PyTorch 2.11.0, torchvision 0.26.0",
		"PyTorch: skipped, none was asked for", "End to end, photos/s",
		"within 1e-03", "| 0.0e+00 | 0.0e+00 | 0.0e+00 | yes |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if m := regexp.MustCompile(`\| ort \| (\d+) \| 0 \| (\d+) \|`).FindStringSubmatch(string(text)); m == nil ||
		m[2] == "0" {
		t.Errorf("no tests of ort that skip in\n%s", text)
	}
	if stdout.String() != string(text) {
		t.Error("what was printed is not what was written")
	}
}

func TestDrawnPhotosDiffer(t *testing.T) {
	dir, err := drawPhotos(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(dir, "all", "*", "*.jpg"))
	if len(files) != 96 {
		t.Fatalf("%d pictures", len(files))
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[string(text)]; ok {
			t.Errorf("%s equals %s", path, other)
		}
		seen[string(text)] = path
	}
}
