package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fx/backbones"
	"fx/extract"
	"fx/internal/environment"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/store"
	"fx/internal/weights"
)

func TestCopyPhotos(t *testing.T) {
	data, err := drawPhotosOf(t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "all", "rings", "1.jpg"), []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	names := func(n int) (all []string) {
		set, err := copyPhotos(t.Context(), data, t.TempDir(), n)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range set.paths {
			name, err := filepath.Rel(set.dir, path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
			all = append(all, filepath.ToSlash(name))
		}
		return all
	}
	if got := names(8); !slices.Equal(got, []string{"all/rings/0.jpg", "all/rings/2.jpg", "all/waves/0.jpg",
		"all/waves/1.jpg", "all/waves/2.jpg",
		"all/rings/0-1.jpg", "all/rings/2-1.jpg", "all/waves/0-1.jpg"}) {
		t.Errorf("eight of five: %v", got)
	}
	if got := names(2); !slices.Equal(got, []string{"all/rings/0.jpg", "all/waves/0.jpg"}) {
		t.Errorf("two of five: %v", got)
	}
	if err := os.WriteFile(filepath.Join(data, "all", "rings", "0.jpg"), []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := copyPhotos(t.Context(), data, t.TempDir(), 1); err == nil {
		t.Error("no photo can be used, and there is no error")
	}
}

func TestTablesOfExtraction(t *testing.T) {
	c, late := combination{"resnet18", 64, "float16"}, combination{"alexnet", 64, "float16"}
	s := &speeds{options: options{peers: []string{"eager", "timm"}}, all: []combination{c, late}, forward: timed{},
		whole: timed{}}
	s.forward.set("fx", c, rate{Rate: 3000})
	s.forward.set("eager", c, rate{Rate: 2000})
	s.forward.set("timm", c, rate{Problem: "timm has no resnet18"})
	s.forward.set("fx", late, rate{Problem: noTimeLeft})
	s.forward.set("eager", late, rate{Rate: 10})
	s.whole.set("fx", c, rate{Rate: 1500})
	s.whole.set("eager", c, rate{Rate: 500})
	text := s.tables(installed{Workers: 16})
	for _, want := range []string{
		"| network | batch | precision | fx | eager | timm | fx / eager | fx / timm " +
			"|\n|---|---:|---|---|---:|---|---:|---:|\n",
		"| resnet18 | 64 | float16 | 3000 | 2000 | timm has no resnet18 | 1.50 | – |\n",
		"| alexnet | 64 | float16 | no time left | 10 | – | – | – |\n",
		"16 of PyTorch's DataLoader", "| resnet18 | 64 | float16 | 1500 | 500 | 3.00 |\n", "| alexnet | 64 | float16 " +
			"| – | – | – |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// The section beside a stand-in for Python, whose features of float32 are fx's own,
// and whose of float16 lie too far away: that combination is not timed.
func TestExtractSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("builds fx")
	}
	orttest.Library(t)
	dir := t.TempDir()
	build(t, "build", "-o", filepath.Join(dir, "fx"), "fx")
	data, err := drawPhotosOf(filepath.Join(dir, "photos"), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FX_WEIGHTS_DIR", "")
	own := features(t, data)
	for name, scale := range map[string]float32{"float32": 1, "float16": 1.1} {
		var raw []byte
		for _, v := range own {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v*scale))
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	python := filepath.Join(dir, "python")
	script := fmt.Sprintf(`#!/bin/sh
echo '{"torch": "2.11.0", "torchvision": "0.26.0", "timm": null, "workers": 2}'
if [ "$2" = compare ]; then
  for p in float32 float16; do
    echo '{"network": "squeezenet1_1", "precision": "'$p'", "mode": "eager", "file": "%[1]s/'$p'"}'
    echo '{"network": "squeezenet1_1", "precision": "'$p'", "mode": "timm", "problem": "timm has no squeezenet1_1"}'
  done
else
  echo '{"network": "squeezenet1_1", "batch": 2, "precision": "float32", "mode": "eager", "what": "forward", "rate": 0.5}'
  echo '{"network": "squeezenet1_1", "batch": 2, "precision": "float32", "mode": "eager", "what": "end to end", "rate": 0.25}'
  echo '{"network": "squeezenet1_1", "batch": 2, "precision": "float16", "mode": "eager", "what": "forward", "rate": 77}'
fi
`, dir)
	if err := os.WriteFile(python, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	err = run(t.Context(), []string{
		"--device", "cpu", "--only", "extract-speed", "--fx", filepath.Join(dir,
			"fx"), "--python", python, "--data", data, "--out", filepath.Join(dir, "table.md"),
		"--backbones", "squeezenet1_1", "--extract-batches", "2", "--photos", "4", "--seconds", "0.05",
		"--peers", "eager,timm",
	}, &stdout, &stderr)
	if err == nil || !strings.Contains(err.Error(), "squeezenet1_1, float16: features are 9.1e-02 from eager's") {
		t.Errorf("error %v\n%s", err, stderr.String())
	}
	text := stdout.String()
	for _, want := range []string{
		`\(squeezenet1_1 seed:0\)`, `\| squeezenet1_1 \| float32 \| eager \| 0\.0e\+00 \| 0\.0e\+00 \| 5e-03 \| yes \|`,
		`\| squeezenet1_1 \| float16 \| eager \| .* \| 1e-02 \| \*\*no\*\* \|`,
		`\| squeezenet1_1 \| 2 \| float32 \| [1-9]\d* \| 0 \| – \| [1-9]\d*\.\d\d \| – \|`,
		`2 of PyTorch's DataLoader`, `\| squeezenet1_1 \| 2 \| float32 \| [1-9]\d* \| 0 \| [1-9]\d*\.\d\d \|`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "| squeezenet1_1 | 2 | float16 |") {
		t.Errorf("float16 was timed, whose features differ:\n%s", text)
	}
}

// features are squeezenet1_1's, of seed 0, of the photos in data, in their order.
func features(t *testing.T, data string) (all []float32) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "store")
	if _, err := extract.Run(t.Context(), extract.Options{
		Embedder: extract.EmbedderOptions{
			Environment: environment.Environment{Device: ort.CPU},
			Network:     backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0)},
		},
		Data: data, Store: to,
	}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), to, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // only read
	for i := range s.Rows() {
		all = append(all, s.Embedding(i, nil)...)
	}
	return all
}
