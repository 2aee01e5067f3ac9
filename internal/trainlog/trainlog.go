package trainlog

import (
	"bytes"
	"encoding/csv"
	"math"
	"path/filepath"
	"strconv"
	"time"

	"fx/internal/durable"
	"fx/internal/metrics"
	"fx/internal/tensorboard"
)

// metricsFile is the name of the table of epochs.
const metricsFile = "metrics.csv"

// Log is a training so far. Unknown fields of an epoch are NaN.
type Log struct {
	Start    time.Time
	Settings map[string]any // by the names of the flags
	Epochs   []metrics.Epoch
	Finished bool
}

// column is one of metrics.csv.
type column struct {
	name  string
	tag   string // in TensorBoard; "" for what is not shown there
	value func(metrics.Epoch) float64
}

var columns = []column{
	{"epoch", "", func(e metrics.Epoch) float64 { return float64(e.Epoch) }},
	{"lr", "learning_rate", func(e metrics.Epoch) float64 { return e.LR }},
	{"train_loss", "loss/train", func(e metrics.Epoch) float64 { return e.TrainLoss }},
	{"train_accuracy", "accuracy/train", func(e metrics.Epoch) float64 { return e.TrainAccuracy }},
	{"train_images_per_second", "images_per_second", func(e metrics.Epoch) float64 { return e.TrainImagesPerSecond }},
	{"val_loss", "loss/val", func(e metrics.Epoch) float64 { return e.ValLoss }},
	{"val_accuracy", "accuracy/val", func(e metrics.Epoch) float64 { return e.ValAccuracy }},
	{"val_images_per_second", "", func(e metrics.Epoch) float64 { return e.ValImagesPerSecond }},
	{"seconds", "", func(e metrics.Epoch) float64 { return e.Seconds }},
}

// Write writes the log into dir as metrics.csv and as an event file, and replaces those of an earlier training.
func Write(dir string, l Log) error {
	if err := durable.WriteBytes(filepath.Join(dir, metricsFile), table(l.Epochs)); err != nil {
		return err
	}
	return tensorboard.Write(dir, l.events())
}

// Replace is Write as part of a Replacement of files of dir.
func Replace(r *durable.Replacement, dir string, l Log) error {
	write := func(path string) error { return durable.WriteBytes(path, table(l.Epochs)) }
	if err := r.Write(metricsFile, write); err != nil {
		return err
	}
	return tensorboard.Replace(r, dir, l.events())
}

// table returns the content of metrics.csv, with enough digits to read the same numbers back. Columns without a known
// value are omitted.
func table(epochs []metrics.Epoch) []byte {
	var shown []column
	for _, c := range columns {
		known := len(epochs) == 0
		for _, e := range epochs {
			known = known || !math.IsNaN(c.value(e))
		}
		if known {
			shown = append(shown, c)
		}
	}
	rows := [][]string{nil}
	for _, c := range shown {
		rows[0] = append(rows[0], c.name)
	}
	for _, e := range epochs {
		var row []string
		for _, c := range shown {
			cell := "" // unknown
			if v := c.value(e); !math.IsNaN(v) {
				cell = strconv.FormatFloat(v, 'g', -1, 64)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	var b bytes.Buffer
	_ = csv.NewWriter(&b).WriteAll(rows) // writes to a buffer never fail
	return b.Bytes()
}

// events returns the log for TensorBoard. The time of an epoch is the start plus the seconds of training up to its
// end, so that a resumed run looks like an uninterrupted one.
func (l Log) events() tensorboard.Log {
	to := tensorboard.Log{Start: l.Start, Settings: l.Settings}
	at := l.Start
	for _, e := range l.Epochs {
		at = at.Add(time.Duration(e.Seconds * float64(time.Second)))
		p := tensorboard.Point{Step: int64(e.Epoch), Time: at}
		for _, c := range columns {
			if v := c.value(e); c.tag != "" && !math.IsNaN(v) {
				p.Scalars = append(p.Scalars, tensorboard.Scalar{Tag: c.tag, Value: v})
			}
		}
		to.Points = append(to.Points, p)
	}
	if l.Finished {
		to.End = at
	}
	return to
}
