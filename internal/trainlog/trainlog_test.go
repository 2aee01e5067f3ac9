package trainlog

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fx/internal/durable"
	"fx/internal/metrics"
	"fx/internal/tensorboard"
)

var start = time.Unix(1767225600, 0)

func epochs() []metrics.Epoch {
	return []metrics.Epoch{
		{Epoch: 1, LR: 0.001, TrainLoss: 0.6, TrainAccuracy: 0.75, TrainImagesPerSecond: 20, ValLoss: 0.5,
			ValAccuracy: 0.8, ValImagesPerSecond: 40, Seconds: 12.5},
		{Epoch: 2, LR: 0.0001, TrainLoss: 1.0 / 3, TrainAccuracy: 0.8, TrainImagesPerSecond: 21, ValLoss: 0.4,
			ValAccuracy: 0.85, ValImagesPerSecond: 41, Seconds: 12},
	}
}

func TestTable(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		epochs []metrics.Epoch
		want   string
	}{
		"all is known": {epochs(),
			"epoch,lr,train_loss,train_accuracy,train_images_per_second," +
				"val_loss,val_accuracy,val_images_per_second,seconds\n" +
				"1,0.001,0.6,0.75,20,0.5,0.8,40,12.5\n2,0.0001,0.3333333333333333,0.8,21,0.4,0.85,41,12\n"},
		"none yet": {nil,
			"epoch,lr,train_loss,train_accuracy,train_images_per_second," +
				"val_loss,val_accuracy,val_images_per_second,seconds\n"},
		"no rates, and one loss": {
			[]metrics.Epoch{
				{Epoch: 1, LR: nan, TrainLoss: nan, TrainAccuracy: 0.5, TrainImagesPerSecond: nan, ValLoss: 0.7,
					ValAccuracy: 0.5, ValImagesPerSecond: nan, Seconds: 1},
				{Epoch: 2, LR: nan, TrainLoss: 0.6, TrainAccuracy: 0.5, TrainImagesPerSecond: nan, ValLoss: 0.6,
					ValAccuracy: 0.5, ValImagesPerSecond: nan, Seconds: 1},
			},
			"epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n1,,0.5,0.7,0.5,1\n2,0.6,0.5,0.6,0.5,1\n",
		},
	} {
		if got := string(table(c.epochs)); got != c.want {
			t.Errorf("%s:\n%s\nnot\n%s", name, got, c.want)
		}
	}
}

func TestEvents(t *testing.T) {
	all := epochs()
	all[1].LR = math.NaN()
	got := Log{Start: start, Settings: map[string]any{"lr": 0.001}, Epochs: all, Finished: true}.events()
	want := tensorboard.Log{
		Start: start, Settings: map[string]any{"lr": 0.001}, End: start.Add(24500 * time.Millisecond),
		Points: []tensorboard.Point{
			{Step: 1, Time: start.Add(12500 * time.Millisecond), Scalars: []tensorboard.Scalar{
				{Tag: "learning_rate", Value: 0.001}, {Tag: "loss/train", Value: 0.6}, {Tag: "accuracy/train",
					Value: 0.75},
				{Tag: "images_per_second", Value: 20}, {Tag: "loss/val", Value: 0.5}, {Tag: "accuracy/val",
					Value: 0.8}}},
			{Step: 2, Time: start.Add(24500 * time.Millisecond), Scalars: []tensorboard.Scalar{
				{Tag: "loss/train", Value: 1.0 / 3}, {Tag: "accuracy/train", Value: 0.8},
				{Tag: "images_per_second", Value: 21}, {Tag: "loss/val", Value: 0.4}, {Tag: "accuracy/val",
					Value: 0.85}}},
		},
	}
	if !bytes.Equal(tensorboard.Encode(got), tensorboard.Encode(want)) {
		t.Errorf("%+v\nnot\n%+v", got, want)
	}
}

// A folder holds the log of one training.
func TestWriteAndReplace(t *testing.T) {
	dir := t.TempDir()
	replace := func(dir string, l Log) error {
		r, err := durable.Replace(dir, "root")
		if err != nil {
			return err
		}
		defer r.Close()
		return errors.Join(Replace(r, dir, l), r.Commit(nil))
	}
	for i, write := range []func(string, Log) error{Write, Write, replace, replace, Write} {
		l := Log{Start: start.Add(time.Duration(i) * time.Hour), Epochs: epochs()[:1+i%2], Finished: true}
		if err := write(dir, l); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "[em]*"))
		want := fmt.Sprint([]string{filepath.Join(dir, tensorboard.FileName(l.Start)), filepath.Join(dir, metricsFile)})
		if err != nil || fmt.Sprint(files) != want {
			t.Errorf("log %d: %v, not %v, %v", i, files, want, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, metricsFile)); err != nil || !bytes.Equal(got, table(l.Epochs)) {
			t.Errorf("log %d: the table is %q, %v", i, got, err)
		}
	}
}

func ExampleWrite() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	unknown := math.NaN()
	err = Write(dir, Log{Start: time.Now(), Epochs: []metrics.Epoch{{
		Epoch: 1, LR: 0.001, TrainLoss: 0.6, TrainAccuracy: 0.75, TrainImagesPerSecond: unknown,
		ValLoss: 0.5, ValAccuracy: 0.8, ValImagesPerSecond: unknown, Seconds: 2,
	}}})
	if err != nil {
		panic(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, metricsFile))
	fmt.Print(string(text))
	// Output:
	// epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy,seconds
	// 1,0.001,0.6,0.75,0.5,0.8,2
}
