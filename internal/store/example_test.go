package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"fx/internal/dataset"
	"fx/internal/preprocess"
	"fx/internal/store"

	"fx/internal/progress"
)

// extract brings the store up to date with the photos and returns how many
// it computed. The network of the example counts bytes.
func extract(ctx context.Context, photos, dir string) (int, error) {
	d, err := dataset.Scan(ctx, photos, dataset.Options{})
	if err != nil {
		return 0, err
	}
	manifest := store.Manifest{
		Backbone: "counter", Weights: "none", Preprocess: preprocess.ImageNet(224, 224),
		DType: store.Float32, FeatureShape: []int{2}, Classes: d.Classes,
	}
	w, err := store.OpenForWriting(ctx, dir, manifest, store.WriteOptions{})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	entries := make([]store.Entry, len(d.Items))
	for i, item := range d.Items {
		entries[i] = store.Entry{Item: item}
	}
	plan, err := w.Plan(ctx, entries)
	if err != nil {
		return 0, err
	}
	for _, chunk := range plan.Chunks {
		var rows []store.Computed
		for _, job := range chunk.Jobs {
			data, content, err := store.Load(ctx, entries[job.Entry].Source())
			if err != nil {
				continue // rejected
			}
			for _, view := range job.Views {
				rows = append(rows, store.Computed{Entry: job.Entry, View: view, Content: content,
					Embedding: []float32{float32(len(data)), float32(data[0])}})
			}
		}
		if err := w.WriteChunk(chunk, rows); err != nil {
			return 0, err
		}
	}
	summary, err := w.Finish(ctx)
	return summary.Added, err
}

func Example() {
	root, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	photos, dir := filepath.Join(root, "photos"), filepath.Join(root, "features")
	put := func(name, content string) {
		path := filepath.Join(photos, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			panic(err)
		}
	}
	run := func() {
		computed, err := extract(context.Background(), photos, dir)
		fmt.Println("computed", computed, err)
	}
	put("ants/1.jpg", "AA")
	put("bees/2.jpg", "BBB")
	put("bees/3.jpg", "CCCC")
	run()
	run()
	put("bees/2.jpg", "DDDDD")
	run()

	s, err := store.Open(context.Background(), dir, progress.Discard)
	if err != nil {
		panic(err)
	}
	for i, row := range s.Rows() {
		fmt.Println(row.Path, row.Label, s.Embedding(i, nil))
	}
	if err := s.Close(); err != nil {
		panic(err)
	}
	// Output:
	// computed 3 <nil>
	// computed 0 <nil>
	// computed 1 <nil>
	// ants/1.jpg 0 [2 65]
	// bees/2.jpg 1 [5 68]
	// bees/3.jpg 1 [4 67]
}
