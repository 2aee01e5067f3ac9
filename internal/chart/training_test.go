package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/metrics"
)

// training is a training of n epochs in which every curve has its own constant.
func training(n int) Training {
	r := Training{
		Title: "resnet18 on bugs", Subtitle: "a test", BestEpoch: 1,
		Confusion: [][]int{{5, 1}, {0, 4}}, Classes: []string{"ants", "bees"},
	}
	for e := 1; e <= n; e++ {
		r.Epochs = append(r.Epochs, metrics.Epoch{Epoch: e, TrainLoss: 3, TrainAccuracy: 0.2, ValLoss: 1,
			ValAccuracy: 0.9})
	}
	return r
}

func drawn(t *testing.T, write func(string) error) image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := write(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// longestRow returns the row from top to bottom, in pixels, that holds the most pixels of c.
func longestRow(img image.Image, c colour, top, bottom int) (row, pixels int) {
	for y := top; y < bottom; y++ {
		n := 0
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if color.NRGBAModel.Convert(img.At(x, y)) == color.Color(c) {
				n++
			}
		}
		if n > pixels {
			row, pixels = y, n
		}
	}
	return row, pixels
}

func TestCurvesLieWhereTheirValuesAre(t *testing.T) {
	img := drawn(t, func(path string) error { return WriteTraining(path, training(15)) })
	middle := img.Bounds().Dy() / 2
	for _, c := range []struct {
		panel       string
		top, bottom int
		upper       colour // the curve of the higher value
		lower       colour
	}{
		{"accuracy", 0, middle, vermilion, blue},
		{"loss", middle, 2 * middle, blue, vermilion},
	} {
		above, n := longestRow(img, c.upper, c.top, c.bottom)
		below, m := longestRow(img, c.lower, c.top, c.bottom)
		if n < 600 || m < 600 { // of 700 pixels
			t.Errorf("%s: the curves are %d and %d pixels long", c.panel, n, m)
		}
		if above >= below {
			t.Errorf("%s: the curve of the higher value lies in row %d, that of the lower in row %d", c.panel, above,
				below)
		}
	}
}

func TestConfusionHasTrueClassesAsRows(t *testing.T) {
	r := training(1)
	m := Confusion{Counts: [][]int{{0, 9}, {0, 0}}, Classes: r.Classes} // nine ants taken for bees
	img := drawn(t, func(path string) error { return WriteConfusion(path, m) })
	dark := mix(paper, deepBlue, 0.92)
	var x, y, n int
	for i := range img.Bounds().Dx() {
		for j := range img.Bounds().Dy() {
			if color.NRGBAModel.Convert(img.At(i, j)) == color.Color(dark) {
				x, y, n = x+i, y+j, n+1
			}
		}
	}
	if n < 100*100 {
		t.Fatalf("%d dark pixels", n)
	}
	if x/n < img.Bounds().Dx()/2 || y/n > img.Bounds().Dy()/2 {
		t.Errorf("the dark cell is centred on %d, %d of %v: not at the upper right", x/n, y/n, img.Bounds())
	}
}

func TestPictureSizes(t *testing.T) {
	of := training(3)
	for name, c := range map[string]struct {
		write func(string) error
		want  image.Point
	}{
		"training": {func(path string) error { return WriteTraining(path, of) }, image.Pt(1800, 1120)},
		"confusion": {func(path string) error {
			return WriteConfusion(path, Confusion{Counts: of.Confusion, Classes: of.Classes})
		}, image.Pt(1120, 1160)},
		"a plot":    {func(path string) error { return WritePlots(path, "", "", of.plots()[:1]) }, image.Pt(1328, 944)},
		"two plots": {func(path string) error { return WritePlots(path, "", "", of.plots()) }, image.Pt(1544, 664)},
	} {
		if got := drawn(t, c.write).Bounds().Size(); got != c.want {
			t.Errorf("%s is %v pixels, want %v", name, got, c.want)
		}
	}
}

func TestPictureTakesAnySize(t *testing.T) {
	for _, size := range []struct{ epochs, classes int }{{1, 1}, {2, 3}, {21, 12}, {1000, 40}, {3, 300}} {
		r := training(size.epochs)
		r.Classes, r.Confusion = nil, nil
		for i := range size.classes {
			r.Classes = append(r.Classes, strings.Repeat("long ", i%9)+fmt.Sprint("class ", i))
			row := make([]int, size.classes)
			row[i], row[(i*7+1)%size.classes] = 10*i, 1
			r.Confusion = append(r.Confusion, row)
		}
		drawn(t, func(path string) error { return WriteTraining(path, r) })
	}
}

func TestSameTrainingSameBytes(t *testing.T) {
	dir := t.TempDir()
	var files [2][]byte
	for i := range files {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := WriteTraining(path, training(15)); err != nil {
			t.Fatal(err)
		}
		var err error
		if files[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("two pictures of one training differ")
	}
}

func TestWrongTrainingsLeaveNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "picture.png")
	for name, change := range map[string]func(*Training){
		"no epochs":        func(r *Training) { r.Epochs = nil },
		"NaN":              func(r *Training) { r.Epochs[0].ValLoss = math.NaN() },
		"no classes":       func(r *Training) { r.Classes, r.Confusion = nil, nil },
		"a class too many": func(r *Training) { r.Classes = append(r.Classes, "wasps") },
		"a ragged matrix":  func(r *Training) { r.Confusion[1] = []int{1} },
	} {
		r := training(2)
		change(&r)
		if err := WriteTraining(path, r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused training left a file")
	}
}
