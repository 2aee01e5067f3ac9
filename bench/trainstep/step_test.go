package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
)

// tiny are flags of a step that takes milliseconds.
var tiny = []string{"--backbone", "squeezenet1_1", "--crop", "48", "--batch-size", "2", "--warmup", "1", "--steps", "2"}

func TestStep(t *testing.T) {
	orttest.Library(t)
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), append([]string{"step"}, tiny...), &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	var m measurement
	if err := json.Unmarshal(stdout.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Milliseconds) != 2 || len(m.Losses) != 3 || m.Milliseconds[0] <= 0 ||
		math.Abs(m.Losses[0]-math.Ln2) > 0.2 || m.Versions["onnxruntime"] == "" {
		t.Errorf("measurement %+v", m)
	}
}

func TestProfile(t *testing.T) {
	orttest.Library(t)
	kept := filepath.Join(t.TempDir(), "profile.json")
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), append([]string{"profile", "--nodes", "3", "--keep", kept}, tiny...), &stdout,
		&stderr); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## squeezenet1_1, batch 2", "| MaxPool | 3 |", "outside ONNX Runtime"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, stdout.String())
		}
	}
	if text, err := os.ReadFile(kept); err != nil || !json.Valid(text) {
		t.Errorf("the profile that was to be kept: %v", err)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		nil, {"steps"}, {"step", "resnet18"}, {"step", "--batch-size", "0"}, {"step", "--backbone", "resnet18",
			"--device", "tpu"}, {"step", "--backbone", "resnet17"},
	} {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), args, &stdout, &stderr); fail.KindOf(err) != fail.Usage {
			t.Errorf("%q: %v", args, err)
		}
	}
}
