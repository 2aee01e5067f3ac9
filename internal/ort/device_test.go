package ort

import (
	"testing"

	"fx/internal/fail"
)

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
