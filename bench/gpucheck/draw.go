package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// drawPhotos writes pictures of two classes, waves and rings, for a machine
// without photos: enough structure for features to differ, and work for the decoder.
func drawPhotos(dir string) (string, error) { return drawPhotosOf(dir, 48) }

// drawPhotosOf draws the given number of pictures of each class.
func drawPhotosOf(dir string, each int) (string, error) {
	const width, height = 500, 375
	for class, wave := range map[string]func(x, y, k float64) float64{
		"waves": func(x, y, k float64) float64 { return math.Sin(x*(0.02+k/300) + y*k/200) },
		"rings": func(x, y, k float64) float64 { return math.Sin(math.Hypot(x-250, y-180) * (0.03 + k/200)) },
	} {
		folder := filepath.Join(dir, "all", class)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", err
		}
		for n := range each {
			picture := image.NewRGBA(image.Rect(0, 0, width, height))
			for y := range height {
				for x := range width {
					v := wave(float64(x), float64(y), float64(n))
					picture.SetRGBA(x, y, color.RGBA{uint8(127 + 120*v), uint8(x * 255 / width),
						uint8((y*3 + n*5) % 256), 255})
				}
			}
			var file bytes.Buffer
			if err := jpeg.Encode(&file, picture, &jpeg.Options{Quality: 90}); err != nil {
				return "", err
			}
			if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(n)+".jpg"), file.Bytes(), 0o644); err != nil {
				return "", err
			}
		}
	}
	return dir, nil
}
