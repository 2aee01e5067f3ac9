package finetune

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"fx/backbones"
	"fx/internal/ort"
	"fx/internal/random"
	"fx/internal/weights"
)

// drawPhotos makes dir/{train,val}/{blue,red} with so many photos in each class
// folder, reddish and bluish noise.
func drawPhotos(t testing.TB, dir string, train, val int) string {
	t.Helper()
	for split, count := range map[string]int{"train": train, "val": val} {
		for class, name := range []string{"blue", "red"} {
			folder := filepath.Join(dir, split, name)
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			for n := range count {
				drawPhoto(t, filepath.Join(folder, fmt.Sprintf("%d.jpg", n)), class, random.New(uint64(n), split+name))
			}
		}
	}
	return dir
}

func drawPhoto(t testing.TB, path string, class int, s *random.Stream) {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 48, 40))
	for i := range 48 * 40 {
		c := color.RGBA{uint8(s.IntN(100)), uint8(s.IntN(200)), uint8(100 + s.IntN(150)), 255}
		if class == 1 {
			c.R, c.B = c.B, c.R
		}
		picture.Set(i%48, i/48, c)
	}
	f, err := os.Create(path)
	if err == nil {
		err = jpeg.Encode(f, picture, nil)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// small are options for seconds: the smallest network at the smallest size.
func small(data, out string) Options {
	o := Defaults()
	o.Network = backbones.NetworkOptions{Backbone: "squeezenet1_1", Weights: weights.Seed(0)}
	o.Resize, o.Crop = 48, 48
	o.Data, o.Out, o.Epochs, o.BatchSize, o.Device, o.LR = data, out, 2, 4, ort.CPU, 0.001
	return o
}

// same compares the files of two RUNs whose bytes must agree.
func same(t testing.TB, a, b string) {
	t.Helper()
	for _, name := range []string{
		"checkpoint/last/model.safetensors", "checkpoint/last/training.state",
		"checkpoint/best/model.safetensors", "checkpoint/best/training.state", "head.safetensors",
	} {
		x, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(x) != string(y) {
			t.Errorf("%s differs", name)
		}
	}
}
