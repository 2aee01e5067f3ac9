package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fx/internal/fail"
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
	if fail.KindOf(err) != 7 || !strings.Contains(err.Error(), "no GPU to check here: no NVIDIA driver") || fail.HintOf(err) != "Install it." {
		t.Errorf("error %v, hint %q", err, fail.HintOf(err))
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a table was written")
	}
}

func TestRelative(t *testing.T) {
	for _, c := range []struct {
		a, b []float32
		want float64
	}{
		{[]float32{3, 4}, []float32{3, 4}, 0}, {[]float32{0, 0}, []float32{0, 0}, 0},
		{[]float32{3, 4.5}, []float32{3, 4}, 0.1}, {[]float32{1}, []float32{0}, math.Inf(1)},
	} {
		if got := relative(c.a, c.b); got != c.want {
			t.Errorf("relative(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if !math.IsNaN(relative([]float32{1}, []float32{1, 2})) || !math.IsNaN(relative([]float32{float32(math.NaN())}, []float32{1})) {
		t.Error("other lengths, or NaN, are no distance")
	}
}

func TestNaNIsNotWithin(t *testing.T) {
	good := result{name: "good", photos: 2, distance: distance{1e-4, 2e-4}}
	bad := result{name: "bad", distance: distance{math.NaN(), math.NaN()}}
	if !good.within(1e-3) || bad.within(1e-3) || (result{exact: distance{0, 0.1}}).within(1e-3) {
		t.Error("a wrong verdict")
	}
	table := newTable(machine{gpu: "NVIDIA Test", driver: "580.1", cpu: "CPU", library: "ONNX Runtime 1.31.1"}, options{device: "cuda", batch: 32, tolerance: 1e-3})
	table.add(good)
	table.add(bad)
	for _, want := range []string{"GPU: NVIDIA Test, driver 580.1", "batch 32, 2 photos", "| good | 0 | 0 | 0 | 1.0e-04 | 2.0e-04 | 0.0e+00 | yes |", "**no** |"} {
		if !strings.Contains(table.text(), want) {
			t.Errorf("%q is not in\n%s", want, table.text())
		}
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
