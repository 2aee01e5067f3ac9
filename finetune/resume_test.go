package finetune

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/training"
)

// stopper cancels after so many photos.
type stopper struct {
	progress.Reporter
	left   atomic.Int64
	cancel context.CancelFunc
}

func (s *stopper) Begin(stage string, total int64, unit string) progress.Task {
	if strings.HasPrefix(stage, "train") || strings.HasPrefix(stage, "val") {
		return &stoppingTask{s}
	}
	return s.Reporter.Begin(stage, total, unit)
}

type stoppingTask struct{ *stopper }

func (t *stoppingTask) Add(n int64) {
	if t.left.Add(-n) <= 0 {
		t.cancel()
	}
}
func (t *stoppingTask) End() {}

func TestAStoppedRunGoesOnToTheSameBits(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 5, 3) // 10 photos: two batches of 4, one of 2
	for _, c := range []struct {
		name   string
		change func(*Options)
	}{
		{"sgd", func(*Options) {}},
		// whose scale falls at first
		{"float16", func(o *Options) { o.Precision, o.Accumulate = artifacts.Float16, 2 }},
		{"everything", func(o *Options) {
			o.LR = 1e-4 // more kills the ReLU before the logits
			o.Optimizer = training.AdamW
			o.Accumulate, o.EMA, o.ClipGradNorm, o.LabelSmoothing, o.ClassWeights = 2, 0.9, 1, 0.1, "auto"
			o.Schedule, o.WarmupEpochs, o.HeadMultiplier, o.Trainable = training.Cosine, 0.5, 10,
				[]string{"features.12.*", "classifier.*"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			undisturbed := small(data, filepath.Join(t.TempDir(), "undisturbed"))
			c.change(&undisturbed)
			want, err := Run(t.Context(), undisturbed, progress.Discard)
			if err != nil {
				t.Fatal(err)
			}
			stopped := undisturbed
			stopped.Out, stopped.Resume, stopped.Workers = filepath.Join(t.TempDir(), "stopped"), true, 3
			// in a training phase, at its end, in a val phase, in the next epoch
			for _, photos := range []int64{4, 6, 3, 12} {
				ctx, cancel := context.WithCancel(t.Context())
				watch := &stopper{Reporter: progress.Discard, cancel: cancel}
				watch.left.Store(photos)
				if _, err := Run(ctx, stopped, watch); err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
			}
			got, err := Run(t.Context(), stopped, progress.Discard)
			if err != nil {
				t.Fatal(err)
			}
			same(t, undisturbed.Out, stopped.Out)
			for i, e := range got.Epochs {
				w := want.Epochs[i]
				if e.TrainLoss != w.TrainLoss || e.TrainAccuracy != w.TrainAccuracy || e.ValLoss != w.ValLoss ||
					e.ValAccuracy != w.ValAccuracy {
					t.Errorf("epoch %d: %+v after a stop, %+v without", i+1, e, w)
				}
			}
			// The seed matters, so that the comparison above can fail.
			other := undisturbed
			other.Out, other.Seed = filepath.Join(t.TempDir(), "other"), 1
			if r, err := Run(t.Context(), other, progress.Discard); err != nil ||
				r.Epochs[0].TrainLoss == want.Epochs[0].TrainLoss {
				t.Errorf("another seed gives %+v, %v", r.Epochs, err)
			}
		})
	}
}

func TestAccumulatedGradientsAreThoseOfOneBatch(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 5, 2) // 10 photos: updates by 4, 4 and 2
	run := func(batch, accumulate int) Result {
		o := small(data, filepath.Join(t.TempDir(), "run"))
		// no dropout, no batch statistics
		o.Network.Backbone, o.FrozenBN, o.Trainable = "resnet18", true, []string{"layer4.1.*", "fc.*"}
		o.BatchSize, o.Accumulate = batch, accumulate
		r, err := Run(t.Context(), o, progress.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole, parts, apart := run(4, 1), run(2, 2), run(2, 1)
	for i, w := range whole.Epochs {
		p := parts.Epochs[i]
		// order of float32 sums
		if math.Abs(p.TrainLoss-w.TrainLoss) > 1e-5*w.TrainLoss || math.Abs(p.ValLoss-w.ValLoss) > 1e-5*w.ValLoss {
			t.Errorf("epoch %d: losses %g and %g of accumulated batches, %g and %g of whole ones", i+1, p.TrainLoss,
				p.ValLoss, w.TrainLoss, w.ValLoss)
		}
	}
	if w, a := whole.Epochs[1].ValLoss, apart.Epochs[1].ValLoss; math.Abs(a-w) < 1e-4*w {
		t.Errorf("small batches without accumulation give the same loss, %g: the comparison shows nothing", w)
	}
}

// atNote calls do when a note begins with the words, and keeps all notes.
type atNote struct {
	progress.Reporter
	words string
	do    func()
	notes []string
}

func (a *atNote) Note(line string) {
	a.notes = append(a.notes, line)
	if strings.HasPrefix(line, a.words) {
		a.do()
	}
}

// Ctrl+C between the end of an epoch and its checkpoint loses nothing of it.
func TestAnEpochThatEndedIsKept(t *testing.T) {
	orttest.Library(t)
	o := small(drawPhotos(t, t.TempDir(), 5, 3), filepath.Join(t.TempDir(), "run"))
	ctx, cancel := context.WithCancel(t.Context())
	first := &atNote{Reporter: progress.Discard, words: "epoch 1 of", do: cancel}
	if _, err := Run(ctx, o, first); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	o.Resume = true
	second := &atNote{Reporter: progress.Discard, words: "epoch 1 of", do: func() {
		t.Error("epoch 1 is trained again")
	}}
	if _, err := Run(t.Context(), o, second); err != nil {
		t.Fatal(err)
	}
	if last := first.notes[len(first.notes)-1]; last != "stopped after epoch 1 and saved a checkpoint" {
		t.Errorf("it said %q", last)
	}
}
