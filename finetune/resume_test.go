package finetune

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	undisturbed := small(data, filepath.Join(t.TempDir(), "undisturbed"))
	want, err := Run(t.Context(), undisturbed, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	stopped := small(data, filepath.Join(t.TempDir(), "stopped"))
	stopped.Resume = true
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
	other := small(data, filepath.Join(t.TempDir(), "other"))
	other.Seed = 1
	if r, err := Run(t.Context(), other, progress.Discard); err != nil || r.Epochs[0].TrainLoss == want.Epochs[0].TrainLoss {
		t.Errorf("another seed gives %+v, %v", r.Epochs, err)
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
