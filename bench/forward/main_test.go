package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/ort/orttest"
)

func TestForward(t *testing.T) {
	orttest.Library(t)
	args := []string{"--backbone", "squeezenet1_1", "--batch-size", "1", "--workers", "2", "--time", "10ms",
		"--rounds", "3"}
	var out, log bytes.Buffer
	if err := run(t.Context(), args, &out, &log); err != nil {
		t.Fatal(err)
	}
	var m measurement
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if ms := m.MillisecondsAPhoto; len(ms) != 3 || !(ms[0] > 0 && ms[0] <= ms[1] && ms[1] <= ms[2]) || m.Batch != 1 ||
		m.Convolutions == "" {
		t.Errorf("%+v", m)
	}
	out.Reset()
	if err := run(t.Context(), append(args, "--profile", "--nodes", "2"), &out, &log); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## squeezenet1_1, batch 1, one thread", "| Concat |", "ms a batch"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestForwardMisused(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--backbone", "resnet18", "extra"}, {"--no-such-flag"}} {
		var out, log bytes.Buffer
		if err := run(t.Context(), args, &out, &log); fail.KindOf(err) != fail.Usage {
			t.Errorf("%v: %v", args, err)
		}
	}
}
