package sampledata

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"

	"fx/internal/random"
)

// drawnVersion grows with every change of the pictures, so that cached old pictures are not used as new ones.
const drawnVersion = 1

// Sizes of the drawn set, in pictures a class.
const (
	drawnTrain, drawnVal    = 40, 20
	drawnWidth, drawnHeight = 240, 200
)

// shapes are the classes of the drawn set. Each reports whether a point, in units of the shape's size and rotated with
// it, is inked.
var shapes = []struct {
	name string
	ink  func(x, y float64) bool
}{
	{"discs", func(x, y float64) bool { return x*x+y*y < 1 }},
	{"rings", func(x, y float64) bool { r := x*x + y*y; return r < 1 && r > 0.45 }},
	{"stripes", func(x, y float64) bool {
		return math.Abs(x) < 1 && math.Abs(y) < 1 && math.Mod(x+4, 0.5) < 0.25
	}},
}

// drawAll fills dir with the drawn set: train/ and val/ with a folder a class. Position, size, rotation, colours and
// noise come from a fixed seed, so that every machine gets the same pictures.
func drawAll(ctx context.Context, dir string) error { return drawSet(ctx, dir, drawnTrain, drawnVal) }

// drawSet draws train and val pictures per class.
func drawSet(ctx context.Context, dir string, train, val int) error {
	for class, shape := range shapes {
		for _, split := range []struct {
			name  string
			count int
		}{{"train", train}, {"val", val}} {
			folder := filepath.Join(dir, split.name, shape.name)
			if err := os.MkdirAll(folder, 0o777); err != nil {
				return err
			}
			for n := range split.count {
				if err := ctx.Err(); err != nil {
					return err
				}
				s := random.New(1, "drawn pictures "+split.name, uint64(class), uint64(n))
				var b bytes.Buffer
				if err := jpeg.Encode(&b, draw(shape.ink, s), &jpeg.Options{Quality: 90}); err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%03d.jpg", n)), b.Bytes(),
					0o666); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// draw paints two to five shapes on a noisy ground.
func draw(ink func(x, y float64) bool, s *random.Stream) image.Image {
	picture := image.NewRGBA(image.Rect(0, 0, drawnWidth, drawnHeight))
	ground, paint := someColour(s), someColour(s)
	for distance(ground, paint) < 120 {
		paint = someColour(s)
	}
	type placed struct{ x, y, size, cos, sin float64 }
	var all []placed
	for range 2 + s.IntN(4) {
		sin, cos := math.Sincos(s.Uniform(0, 2*math.Pi))
		all = append(all, placed{s.Uniform(0, drawnWidth), s.Uniform(0, drawnHeight), s.Uniform(18, 60), cos, sin})
	}
	var grain uint32 // four grains of noise a word
	grains := 0
	for y := range drawnHeight {
		for x := range drawnWidth {
			c := ground
			for _, p := range all {
				dx, dy := (float64(x)-p.x)/p.size, (float64(y)-p.y)/p.size
				if ink(dx*p.cos+dy*p.sin, dy*p.cos-dx*p.sin) {
					c = paint
				}
			}
			if grains == 0 {
				grain, grains = s.Uint32(), 4
			}
			noise := float64(grain&63) - 31.5
			grain, grains = grain>>8, grains-1
			picture.SetRGBA(x, y, color.RGBA{level(c[0] + noise), level(c[1] + noise), level(c[2] + noise), 255})
		}
	}
	return picture
}

func someColour(s *random.Stream) [3]float64 {
	return [3]float64{s.Uniform(20, 235), s.Uniform(20, 235), s.Uniform(20, 235)}
}

func distance(a, b [3]float64) float64 {
	return math.Abs(a[0]-b[0]) + math.Abs(a[1]-b[1]) + math.Abs(a[2]-b[2])
}

func level(v float64) uint8 { return uint8(min(max(v, 0), 255)) }
