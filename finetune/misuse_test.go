package finetune

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort/orttest"
	"fx/internal/progress"
)

func TestWhatGoesWrongIsNamed(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 3, 2)
	noVal := drawPhotos(t, t.TempDir(), 2, 1)
	oneClass := drawPhotos(t, t.TempDir(), 2, 1)
	for _, gone := range []string{filepath.Join(noVal, "val"), filepath.Join(oneClass, "train", "red"),
		filepath.Join(oneClass, "val", "red")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Options)
		kind   fail.Kind
		says   string
	}{
		{"no val folder", func(o *Options) { o.Data = noVal }, fail.Usage, "val"},
		{"one class", func(o *Options) { o.Data = oneClass }, fail.Usage, "class"},
		{"a pattern that matches nothing", func(o *Options) {
			o.Trainable = []string{"layer9.*"}
		}, fail.Usage, `"layer9.*"`},
		{"a batch larger than the photos", func(o *Options) {
			o.BatchSize = 100
		}, fail.Usage, "100 photos, but only 6"},
		{"an out that is a file", func(o *Options) { o.Out = file }, fail.Usage, file},
		{"a rate of 0", func(o *Options) { o.LR = 0 }, fail.Usage, "--lr"},
		{"an unknown optimizer", func(o *Options) { o.Optimizer = "lion" }, fail.Usage, "lion"},
		{"an unknown precision", func(o *Options) { o.Precision = "float8" }, fail.Usage, "float8"},
		{"bfloat16 on the CPU", func(o *Options) { o.Precision = artifacts.BFloat16 }, fail.Device, "needs a GPU"},
		{"a rate that diverges", func(o *Options) { o.LR, o.Epochs = 1e30, 4 }, fail.NonFinite, "step"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := small(data, filepath.Join(t.TempDir(), "run"))
			c.change(&o)
			_, err := Run(t.Context(), o, progress.Discard)
			if fail.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) ||
				fail.HintOf(err) == "" {
				t.Errorf("kind %d, hint %q: %v", fail.KindOf(err), fail.HintOf(err), err)
			}
		})
	}
}

func TestARunIsNotOverwrittenNorMixed(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 2, 1)
	o := small(data, filepath.Join(t.TempDir(), "run"))
	o.Epochs, o.HeadOnly = 1, true
	result, err := Run(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if result.ParametersTrained != 2*512+2 {
		t.Errorf("%d values of the head trained", result.ParametersTrained)
	}
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(fail.HintOf(err), "--resume") {
		t.Errorf("the same run again: %v", err)
	}
	o.Resume = true
	if again, err := Run(t.Context(), o, progress.Discard); err != nil ||
		again.BestValAccuracy != result.BestValAccuracy {
		t.Errorf("going on with a finished run: %+v, %v", again, err)
	}
	changed := o
	changed.LR, changed.Seed = 0.5, 3
	_, err = Run(t.Context(), changed, progress.Discard)
	if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "lr was 0.001 and is 0.5") ||
		!strings.Contains(err.Error(), "seed was 0 and is 3") {
		t.Errorf("other settings: %v", err)
	}
	held, err := lockRun(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	defer held.release()
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Locked {
		t.Errorf("a run that another process writes: %v", err)
	}
}

// A RUN of an older fx is refused with the versions, at both places that have one.
func TestARunOfAnotherVersionIsRefused(t *testing.T) {
	orttest.Library(t)
	o := tiny(drawPhotos(t, t.TempDir(), 4, 2), filepath.Join(t.TempDir(), "run"))
	ctx, cancel := context.WithCancel(t.Context())
	watch := &stopper{Reporter: progress.Discard, cancel: cancel}
	watch.left.Store(4)
	if _, err := Run(ctx, o, watch); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	o.Resume = true
	for _, file := range []string{filepath.Join(checkpointDir, lastName, "state.json"), recordName} {
		path := filepath.Join(o.Out, file)
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, bytes.Replace(text, []byte(`"format_version": 2`), []byte(`"format_version": 1`),
				1), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = Run(t.Context(), o, progress.Discard)
		if want := path + " has format version 1; this fx reads version 2"; fail.KindOf(err) != fail.Model ||
			!strings.Contains(err.Error(), want) || fail.HintOf(err) == "" {
			t.Errorf("%s: kind %d, hint %q: %v", file, fail.KindOf(err), fail.HintOf(err), err)
		}
	}
}

func TestADivergedRunKeepsItsCheckpoint(t *testing.T) {
	orttest.Library(t)
	o := small(drawPhotos(t, t.TempDir(), 4, 2), filepath.Join(t.TempDir(), "run"))
	// The rate rises over the steps until the loss is no number any more.
	o.LR, o.WarmupEpochs, o.Epochs, o.CheckpointSteps, o.Momentum = 1e12, 1000, 1000, 1, 0
	_, err := Run(t.Context(), o, progress.Discard)
	if fail.KindOf(err) != fail.NonFinite {
		t.Fatalf("error %v", err)
	}
	o.Resume = true
	if _, again := Run(t.Context(), o, progress.Discard); again == nil || again.Error() != err.Error() {
		t.Errorf("going on from the checkpoint gives %v, and the run gave %v", again, err)
	}
}

func TestPhotosThatCantBeUsed(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 3, 2)
	if err := os.WriteFile(filepath.Join(data, "train", "red", "0.jpg"), []byte("no photo"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := small(data, filepath.Join(t.TempDir(), "run"))
	o.Epochs, o.HeadOnly = 1, true
	r, err := Run(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if r.TrainPhotos != 5 || len(r.Rejected) != 1 || r.Rejected[0].Path != "train/red/0.jpg" {
		t.Errorf("%d photos, rejected %v", r.TrainPhotos, r.Rejected)
	}
	o.Out, o.OnBadImage = filepath.Join(t.TempDir(), "strict"), "fail"
	if _, err := Run(t.Context(), o, progress.Discard); fail.KindOf(err) != fail.Rejected {
		t.Errorf("error %v", err)
	}
}
