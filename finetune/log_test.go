package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/tensorboard"
	"fx/internal/training"
)

// eventFile returns the one event file of a RUN.
func eventFile(t *testing.T, run string) []byte {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(run, "*tfevents*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("event files %v, %v", found, err)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A run that is resumed, even one that an older fx began, has one event file with each epoch once.
func TestAResumedRunHasOneLog(t *testing.T) {
	orttest.Library(t)
	data := drawPhotos(t, t.TempDir(), 4, 2)
	o := small(data, filepath.Join(t.TempDir(), "run"))
	o.Resume, o.Epochs, o.Trainable = true, 3, []string{"classifier.*"}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		watch := &stopper{Reporter: progress.Discard, cancel: cancel}
		watch.left.Store(13) // an epoch is 12 photos, the val ones counted
		if _, err := Run(ctx, o, watch); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	rec, found, err := readRecord(o.Out)
	if err != nil || !found || rec.Started.IsZero() || rec.Started.After(time.Now()) {
		t.Fatalf("%+v, %v", rec, err)
	}
	eventFile(t, o.Out)
	rec.Started = time.Time{}
	text, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `"started"`) {
		t.Fatal("run.json of an older fx has no start")
	}
	if err := os.WriteFile(filepath.Join(o.Out, recordName), text, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if rec, _, err = readRecord(o.Out); err != nil || rec.Started.IsZero() ||
		rec.Started.Add(time.Duration(r.Seconds*1e9)).After(time.Now()) {
		t.Fatalf("started %v, %v", rec.Started, err)
	}
	l := (&run{record: rec}).log(r.Epochs)
	if !l.Finished || len(l.Epochs) != 3 || l.Epochs[2].Epoch != 3 {
		t.Errorf("%+v", l)
	}
	got := eventFile(t, o.Out)
	want := tensorboard.Encode(tensorboard.Log{Start: rec.Started, Settings: l.Settings}) // the head of the file
	if !bytes.HasPrefix(got, want) || bytes.Count(got, []byte("accuracy/val")) != 3 ||
		bytes.Count(got, []byte("learning_rate")) != 3 {
		t.Errorf("the event file holds %q", got)
	}
	for name, value := range map[string]any{"trainable": "classifier.*", "lr": o.LR, "batch-size": 4.0,
		"backbone": "squeezenet1_1", "optimizer": "sgd", "nesterov": false} {
		if l.Settings[name] != value {
			t.Errorf("setting %s is %v, not %v", name, l.Settings[name], value)
		}
	}
	for _, name := range []string{"weights (SHA-256)", "preprocessing", "classes", "ONNX Runtime"} {
		if v, ok := l.Settings[name]; ok {
			t.Errorf("%s is no flag: %v", name, v)
		}
	}
}

func TestStart(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 5e8, time.FixedZone("", 3600))
	s := saved{Seconds: 60, Running: tally{Seconds: 30.25}}
	if got, want := s.start(now), time.Date(2026, 1, 1, 10, 58, 30, 0, time.UTC); got != want {
		t.Errorf("%v, not %v", got, want)
	}
}

func TestFlagsOfWhatLearns(t *testing.T) {
	for want, s := range map[string]settings{
		"all": {}, "head": {Settings: training.Settings{HeadOnly: true}},
		"layer4.*,fc.*": {Settings: training.Settings{Trainable: []string{"layer4.*", "fc.*"}}},
	} {
		if got := s.flags()["trainable"]; got != want {
			t.Errorf("trainable is %v, not %s", got, want)
		}
	}
}
