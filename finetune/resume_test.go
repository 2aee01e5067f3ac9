package finetune

import (
	"context"
	"errors"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fx/finetune/artifacts"
	"fx/internal/progress"
	"fx/internal/random"
)

var kills = flag.Int("kills", 4, "how often TestKilledRun kills")

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
	needRuntime(t)
	data := drawPhotos(t, t.TempDir(), 5, 3) // 10 photos: two batches of 4, one of 2
	for _, c := range []struct {
		name   string
		change func(*Options)
	}{
		{"sgd", func(*Options) {}},
		{"float16", func(o *Options) { o.Precision, o.Accumulate = artifacts.Float16, 2 }}, // whose scale falls at first
		{"everything", func(o *Options) {
			o.Optimizer = artifacts.Optimizer{Name: artifacts.AdamW, WeightDecay: 0.01}
			o.Accumulate, o.EMA, o.ClipGradNorm, o.LabelSmoothing, o.ClassWeights = 2, 0.9, 1, 0.1, "auto"
			o.Schedule, o.WarmupEpochs, o.HeadMultiplier, o.Trainable = cosineSchedule, 0.5, 10, []string{"features.12.*", "classifier.*"}
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
			for _, photos := range []int64{4, 6, 3, 12} { // in a training phase, at its end, in a val phase, in the next epoch
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
				if e.TrainLoss != w.TrainLoss || e.TrainAccuracy != w.TrainAccuracy || e.ValLoss != w.ValLoss || e.ValAccuracy != w.ValAccuracy {
					t.Errorf("epoch %d: %+v after a stop, %+v without", i+1, e, w)
				}
			}
			// The seed matters, so that the comparison above can fail.
			other := undisturbed
			other.Out, other.Seed = filepath.Join(t.TempDir(), "other"), 1
			if r, err := Run(t.Context(), other, progress.Discard); err != nil || r.Epochs[0].TrainLoss == want.Epochs[0].TrainLoss {
				t.Errorf("another seed gives %+v, %v", r.Epochs, err)
			}
		})
	}
}

func TestAccumulatedGradientsAreThoseOfOneBatch(t *testing.T) {
	needRuntime(t)
	data := drawPhotos(t, t.TempDir(), 5, 2) // 10 photos: updates by 4, 4 and 2
	run := func(batch, accumulate int) Result {
		o := small(data, filepath.Join(t.TempDir(), "run"))
		o.Network.Backbone, o.FrozenBN, o.Trainable = "resnet18", true, []string{"layer4.1.*", "fc.*"} // no dropout, no batch statistics
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
		if math.Abs(p.TrainLoss-w.TrainLoss) > 1e-5*w.TrainLoss || math.Abs(p.ValLoss-w.ValLoss) > 1e-5*w.ValLoss { // order of float32 sums
			t.Errorf("epoch %d: losses %g and %g of accumulated batches, %g and %g of whole ones", i+1, p.TrainLoss, p.ValLoss, w.TrainLoss, w.ValLoss)
		}
	}
	if w, a := whole.Epochs[1].ValLoss, apart.Epochs[1].ValLoss; math.Abs(a-w) < 1e-4*w {
		t.Errorf("small batches without accumulation give the same loss, %g: the comparison shows nothing", w)
	}
}

// TestMain runs a training instead of the tests where TestKilledRun asks for one.
func TestMain(m *testing.M) {
	if out := os.Getenv("FX_FINETUNE_TEST_OUT"); out != "" {
		o := killable(os.Getenv("FX_FINETUNE_TEST_DATA"), out)
		if _, err := Run(context.Background(), o, progress.Discard); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func killable(data, out string) Options {
	o := small(data, out)
	o.Resume, o.Epochs, o.CheckpointSteps = true, 3, 1 // most of the time goes into saving
	return o
}

func TestKilledRun(t *testing.T) {
	needRuntime(t)
	data := drawPhotos(t, t.TempDir(), 5, 2)
	undisturbed := filepath.Join(t.TempDir(), "undisturbed")
	if _, err := Run(t.Context(), killable(data, undisturbed), progress.Discard); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "killed")
	s := random.New(0, "kill")
	start := func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "FX_FINETUNE_TEST_OUT="+out, "FX_FINETUNE_TEST_DATA="+data)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	survived := 0
	for n := 0; n < *kills; n++ {
		c := start()
		// Wait for the first sign of life of this run, then kill at some moment.
		time.Sleep(time.Duration(200+s.IntN(1200)) * time.Millisecond)
		_ = c.Process.Kill()
		if err := c.Wait(); err == nil { // it was done: begin again
			survived++
			same(t, undisturbed, out)
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
		}
	}
	if c := start(); c.Wait() != nil {
		t.Fatal("the last run failed")
	}
	same(t, undisturbed, out)
	err := filepath.WalkDir(out, func(path string, _ os.DirEntry, err error) error {
		if strings.Contains(path, ".fx-tmp-") {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, %d runs ended before theirs", *kills, survived)
}
