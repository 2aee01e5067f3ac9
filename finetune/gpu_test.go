package finetune

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/ort"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
)

// Training on a GPU follows the CPU's losses, in every precision as closely as
// its digits allow, without a node on the CPU and with CUDA graphs.
func TestCUDATrainsAsTheCPU(t *testing.T) {
	orttest.GPU(t)
	data := drawPhotos(t, t.TempDir(), 5, 3)
	run := func(change func(*Options)) Result {
		o := small(data, filepath.Join(t.TempDir(), "run"))
		o.LR, o.Epochs = 0.001, 3
		change(&o)
		r, err := Run(t.Context(), o, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		precision  string
		accumulate int
		allowed    float64 // relative difference of a loss
	}{{artifacts.Float32, 1, 5e-3}, {artifacts.Float32, 2, 5e-3}, {artifacts.BFloat16, 1, 5e-2}, {artifacts.Float16,
		1, 5e-2}} {
		want := run(func(o *Options) { o.Accumulate = c.accumulate })
		got := run(func(o *Options) {
			o.Device, o.Precision, o.Accumulate = ort.CUDA, c.precision, c.accumulate
		})
		if got.Provider != "CUDAExecutionProvider" {
			t.Fatalf("ran on %s", got.Provider)
		}
		for i, e := range got.Epochs {
			if w := want.Epochs[i]; math.Abs(e.ValLoss-w.ValLoss) > c.allowed*w.ValLoss {
				t.Errorf("%v, epoch %d: val loss %v, and %v on the CPU", c, i+1, e.ValLoss, w.ValLoss)
			}
		}
		for _, note := range got.Notes {
			if strings.Contains(note, "run on the CPU") || strings.Contains(note, "without CUDA graphs") {
				t.Errorf("%v: %s", c, note)
			}
		}
	}
}

// A run that was stopped on a GPU goes on there as if it had not been, but for
// the order of sums.
func TestCUDAResumes(t *testing.T) {
	orttest.GPU(t)
	undisturbed := small(drawPhotos(t, t.TempDir(), 5, 3), filepath.Join(t.TempDir(), "undisturbed"))
	undisturbed.Device, undisturbed.LR = ort.CUDA, 0.001
	want, err := Run(t.Context(), undisturbed, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	stopped := undisturbed
	stopped.Out, stopped.Resume = filepath.Join(t.TempDir(), "stopped"), true
	ctx, cancel := context.WithCancel(t.Context())
	watch := &stopper{Reporter: progress.Discard, cancel: cancel}
	watch.left.Store(6)
	if _, err := Run(ctx, stopped, watch); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	got, err := Run(t.Context(), stopped, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range got.Epochs {
		if w := want.Epochs[i]; math.Abs(e.ValLoss-w.ValLoss) > 5e-3*w.ValLoss {
			t.Errorf("epoch %d: val loss %v after a stop, %v without", i+1, e.ValLoss, w.ValLoss)
		}
	}
}
