package report

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"fx/classify"
	"fx/internal/dataset"
	"fx/internal/experimentdir"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/preprocess"
	"fx/internal/progress"
	"fx/internal/store"
	"fx/internal/training"
	"fx/internal/weights"
)

// makePhotos draws n photos of each class in train and val, each of its own colour.
func makePhotos(dir string, n int) error {
	number := 0
	for _, split := range []string{"train", "val"} {
		for _, class := range []string{"ants", "bees"} {
			folder := filepath.Join(dir, split, class)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			for k := range n {
				number++
				picture := image.NewRGBA(image.Rect(0, 0, 60, 40))
				for i := range 60 * 40 {
					picture.Set(i%60, i/60, color.RGBA{uint8(number), uint8(i), 200, 255})
				}
				f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%d.png", k)))
				if err != nil {
					return err
				}
				if err := png.Encode(f, picture); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// makeStore fills dir with made-up features of three values of the photos: ants
// lie around -1, bees around 1, and the first of each val class on the wrong side.
func makeStore(dir, data, file string) error {
	ctx := context.Background()
	photos, err := dataset.Scan(ctx, data, dataset.Options{})
	if err != nil {
		return err
	}
	m := store.Manifest{
		Backbone: "none", GraphSHA256: "g", Weights: file, WeightsSHA256: file, Preprocess: preprocess.ImageNet(224,
			224),
		EXIF: "ignore", Decoder: "go image/jpeg", Compute: store.Compute{Provider: "CPUExecutionProvider",
			Precision: store.Float32}, DType: store.Float32,
		FeatureShape: []int{3}, Classes: photos.Classes, Made: store.Provenance{Data: data,
			WeightsFile: weights.File(file), ONNXRuntime: "1.31.1"},
	}
	w, err := store.OpenForWriting(ctx, dir, m, store.WriteOptions{})
	if err != nil {
		return err
	}
	defer w.Close()
	entries := make([]store.Entry, len(photos.Items))
	for i, item := range photos.Items {
		entries[i].Item = item
	}
	plan, err := w.Plan(ctx, entries)
	if err != nil {
		return err
	}
	for _, chunk := range plan.Chunks {
		var rows []store.Computed
		for _, job := range chunk.Jobs {
			e := entries[job.Entry]
			_, content, err := store.Load(ctx, e.Source())
			if err != nil {
				return err
			}
			side := float32(2*e.Label - 1)
			if e.Split == "val" && filepath.Base(e.Path) == "0.png" {
				side = -side
			}
			rows = append(rows, store.Computed{Entry: job.Entry, Content: content,
				Embedding: []float32{side, float32(job.Entry%5) / 10, float32(job.Entry%3) / 10}})
		}
		if err := w.WriteChunk(chunk, rows); err != nil {
			return err
		}
	}
	_, err = w.Finish(ctx)
	return err
}

// makeHead trains a head on a store.
func makeHead(dir, features string, seed uint64, lr float64) error {
	o := classify.FitOptions{Settings: training.Defaults(), Features: features, Out: dir}
	o.Seed, o.LR, o.Epochs = seed, lr, 4
	_, err := classify.Fit(context.Background(), o, nil, progress.Discard)
	return err
}

// makeRun writes the MODEL and the run.json of a finetuned network, whose files are not there.
func makeRun(dir, data string, m modeldir.Model, start string) error {
	m.Backbone.Name, m.Preprocess, m.Classes = "none", preprocess.ImageNet(224, 224), []string{"ants", "bees"}
	m.Backbone.Weights, m.EXIF = weights.File("checkpoint/best/model.safetensors"), "ignore"
	m.Head = modeldir.Head{Layout: headspec.Layout{Kind: "linear", Features: 1, Positions: 1},
		WeightName: "w", BiasName: "b", FeatureShape: []int{1}}
	m.Metrics = modeldir.Metrics{
		BestValAccuracy: 0.5, BestEpoch: 2, Seconds: 20, ImagesPerSecond: 30, ParametersTrained: 100,
		TrainSplit: "train", ValSplit: "val", TrainPhotos: 8, ValPhotos: 8,
		Epochs: []metrics.Epoch{{Epoch: 1, TrainLoss: 0.7, ValLoss: 0.7, ValAccuracy: 0.4},
			{Epoch: 2, TrainLoss: 0.6, ValLoss: 0.7, ValAccuracy: 0.5}},
	}
	if err := modeldir.Save(dir, m, headspec.Params{Weight: []float32{1, 2}, Bias: []float32{0, 0}}); err != nil {
		return err
	}
	text, err := json.Marshal(map[string]any{"format_version": 2, "status": "finished", "data": data, "weights": start})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "run.json"), text, 0o644)
}

// workshop is a folder with photos, a store of their features and two heads
// that differ by their seed.
type workshop struct{ dir, data, features, a, b string }

func newWorkshop(t *testing.T) workshop {
	t.Helper()
	dir := t.TempDir()
	w := workshop{dir, filepath.Join(dir, "photos"), filepath.Join(dir, "features"), filepath.Join(dir, "a"),
		filepath.Join(dir, "b")}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(makePhotos(w.data, 4))
	check(makeStore(w.features, w.data, "w"))
	check(makeHead(w.a, w.features, 0, 0.5))
	check(makeHead(w.b, w.features, 1, 0.5))
	return w
}

// experiment writes an experiment of the workshop's heads, the second of which is not finished.
func (w workshop) experiment(t *testing.T, seeded bool) string {
	t.Helper()
	dir := filepath.Join(w.dir, "experiment")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run := experimentdir.Run{
		Name: "first", Backbone: "none", Mode: modeldir.FeatureExtraction, Dir: "../a", Status: experimentdir.Finished,
		Seconds: 42, Weights: "w.safetensors", Result: &experimentdir.Result{BestValAccuracy: 0.75, ImagesPerSecond: 7},
	}
	if seeded {
		run.Weights, run.Seeded = "seed:0", true
	}
	second := run
	second.Name, second.Dir, second.Status, second.Result = "second", "../b", experimentdir.Pending, nil
	err := experimentdir.Save(dir, experimentdir.Experiment{
		Name: "quick", Title: "A quick look", Machine: "a machine", Data: experimentdir.Data{Dir: w.data},
		Runs: []experimentdir.Run{run, second}, Notes: []string{"a note of the experiment"},
		References: []experimentdir.Reference{
			{Name: "published", Source: "a tutorial", Backbone: "sister", Beside: "none",
				Mode: modeldir.FeatureExtraction, BestValAccuracy: 0.9346},
			{Name: "published", Source: "a tutorial", Backbone: "sister", Beside: "none", Mode: modeldir.Scratch,
				BestValAccuracy: 0.6},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
