package main

import (
	"fmt"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/fakecuda"
	"fx/internal/ort"
)

// Every network steps on CUDA in every precision, with CUDA graphs and without a
// node on the CPU: all of ONNX Runtime's CUDA provider but the kernels' arithmetic.
// See package fakecuda.
func TestRehearsedSteps(t *testing.T) {
	precisions := []string{artifacts.Float32, artifacts.BFloat16, artifacts.Float16}
	if fakecuda.Rehearsing() {
		for _, name := range families {
			for _, precision := range precisions {
				s, err := open(t.Context(), name, 2, precision, ort.CUDA)
				if err != nil {
					t.Fatal(name, precision, err)
				}
				images, labels := photos(2, s.ImageSize(), 0)
				batch, err := s.Batch(t.Context(), images, labels, 0)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 { // recorded, recorded, replayed
					if o, err := s.Step(t.Context(), batch, 1e-3); err != nil || o.Loss != 0.5 {
						t.Fatal(name, precision, o, err)
					}
				}
				fmt.Printf("%s %s: notes %v\n", name, precision, s.NewNotes())
				batch.Close()
				s.Close()
			}
		}
		return
	}
	text, events := fakecuda.Rehearse(t)
	for _, e := range events {
		if e.What == "stale" || e.What == "unsafe" { // a replay would read what is no more, or a recording was spoiled
			t.Errorf("%+v", e)
		}
	}
	for _, name := range families {
		for _, precision := range precisions {
			if want := fmt.Sprintf("%s %s: notes []\n", name, precision); !strings.Contains(text, want) {
				t.Errorf("%q is not in %s", want, text)
			}
		}
	}
}
