package head

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The tutorial's setting on real features. FX_HEAD_FEATURES is a folder that
// testdata/make_features.py wrote.
func TestTutorialAccuracyOnRealFeatures(t *testing.T) {
	dir := os.Getenv("FX_HEAD_FEATURES")
	if dir == "" {
		t.Skip("FX_HEAD_FEATURES is not set: no real features to train on")
	}
	l := Layout{Kind: Conv1x1, Features: 512, Positions: 13 * 13, Classes: 2, Dropout: 0.5}
	train, val := realFeatures(t, dir, l, "train"), realFeatures(t, dir, l, "val")
	var sum float64
	for seed := range uint64(5) {
		o := Defaults()
		o.Seed = seed
		r, err := Fit(context.Background(), l, train, val, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		last := r.Epochs[len(r.Epochs)-1]
		t.Logf("seed %d: best val accuracy %.4f in epoch %d, %.2f s; last epoch: train loss %.4f, val loss %.4f, val "+
			"accuracy %.4f",
			seed, r.BestValAccuracy, r.BestEpoch, r.Seconds, last.TrainLoss, last.ValLoss, last.ValAccuracy)
		if r.BestValAccuracy < 0.92 {
			t.Errorf("seed %d: best val accuracy %.4f is under 0.92", seed, r.BestValAccuracy)
		}
		sum += r.BestValAccuracy
	}
	if sum/5 < 0.93 { // PyTorch on the same features: 0.9303 to 0.9346
		t.Errorf("mean best val accuracy %.4f is under 0.93", sum/5)
	}
}

// realFeatures reads the float32 and int64 .npy files of one split.
func realFeatures(t *testing.T, dir string, l Layout, split string) Data {
	t.Helper()
	read := func(name string) []byte {
		file, err := os.ReadFile(filepath.Join(dir, split+name))
		if err != nil {
			t.Fatal(err)
		}
		return file[10+int(binary.LittleEndian.Uint16(file[8:])):] // after the header of version 1
	}
	features, labels := read("_x.npy"), read("_y.npy")
	values := make([]float32, len(features)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(features[4*i:]))
	}
	classes := make([]int, len(labels)/8)
	for i := range classes {
		classes[i] = int(binary.LittleEndian.Uint64(labels[8*i:]))
	}
	return Data{Row: Matrix(values, l.Width()), Photos: SingleViews(classes)}
}

// The tutorial's case: 244 training and 153 val maps of 512×13×13.
func BenchmarkTutorialHead(b *testing.B) {
	l := Layout{Kind: Conv1x1, Features: 512, Positions: 13 * 13, Classes: 2, Dropout: 0.5}
	benchmarkFit(b, l, 244, 153)
}

func BenchmarkLinearHead(b *testing.B) {
	benchmarkFit(b, Layout{Kind: Linear, Features: 512, Positions: 1, Classes: 2}, 244, 153)
}

func BenchmarkWideLinearHead(b *testing.B) {
	benchmarkFit(b, Layout{Kind: Linear, Features: 4096, Positions: 1, Classes: 1000}, 256, 64)
}

func benchmarkFit(b *testing.B, l Layout, trainPhotos, valPhotos int) {
	train, val := formulaData(l, features, labels, trainPhotos), formulaData(l, valFeatures, valLabels, valPhotos)
	for b.Loop() {
		if _, err := Fit(context.Background(), l, train, val, Defaults(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
