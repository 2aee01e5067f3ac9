package chart

import (
	"fmt"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/rangetest"
)

// rangeTest has a loss of 1 that falls to 0.5 from 1e-3 on, and to thousands from 1e-1 on.
func rangeTest() LRFind {
	f := LRFind{Title: "Learning-rate range test", Test: rangetest.Result{Suggestion: 1e-3, TenthOfLowestLR: 3e-3}}
	for i := range 61 {
		p := rangetest.Step{LR: math.Pow(10, -6+0.1*float64(i)), Loss: 1, Smoothed: 1}
		if i > 30 {
			p.Loss, p.Smoothed = 0.5, 0.5
		}
		if i > 50 {
			p.Loss, p.Smoothed = 5000, 1000
		}
		f.Test.Steps = append(f.Test.Steps, p)
	}
	return f
}

// longestColumn returns the column that holds the most pixels of c.
func longestColumn(t *testing.T, path string, c colour) (column, pixels, width int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	for x := range img.Bounds().Dx() {
		n := 0
		for y := range img.Bounds().Dy() {
			if color.NRGBAModel.Convert(img.At(x, y)) == color.Color(c) {
				n++
			}
		}
		if n > pixels {
			column, pixels = x, n
		}
	}
	return column, pixels, img.Bounds().Dx()
}

// The suggested rate stands in the middle of an axis from 1e-6 to 1, and losses that
// blow up leave the rest of the curve room.
func TestLRCurve(t *testing.T) {
	f := rangeTest()
	path := filepath.Join(t.TempDir(), "lr.png")
	if err := LRCurve(path, f); err != nil {
		t.Fatal(err)
	}
	column, pixels, width := longestColumn(t, path, vermilion)
	left, right := 83.0, float64(width-2*margin) // of the data area, about
	if want := (left + right) / 2; pixels < 400 || math.Abs(float64(column)-want) > 15 {
		t.Errorf("the mark is %d pixels long in column %d of %d, not about %g", pixels, column, width, want)
	}
	if top := f.top(); top != lossRoom {
		t.Errorf("losses up to %g are shown", top)
	}
	f.Test.Suggestion = 0
	if err := LRCurve(path, f); err != nil {
		t.Fatal(err)
	}
	if _, pixels, _ := longestColumn(t, path, vermilion); pixels > 0 {
		t.Errorf("%d pixels mark no suggestion", pixels)
	}
	f.Test.Steps = f.Test.Steps[:1]
	if err := LRCurve(filepath.Join(t.TempDir(), "none.png"), f); err == nil {
		t.Error("one point was drawn")
	}
}

func TestLRTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lr.csv")
	if err := LRTable(path, []rangetest.Step{{LR: 1e-6, Loss: 0.75, Smoothed: 0.5},
		{LR: 1e-5, Loss: 1.0 / 3, Smoothed: 0.25}}); err != nil {
		t.Fatal(err)
	}
	want := "step,lr,loss,smoothed_loss\n1,1e-06,0.75,0.5\n2,1e-05,0.3333333333333333,0.25\n"
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

func TestDecades(t *testing.T) {
	var labels []string
	ticks := decades(2e-6, 0.03)
	for _, tick := range ticks {
		if tick.Label != "" {
			labels = append(labels, tick.Label)
		}
	}
	if got := strings.Join(labels, " "); got != "1e-05 0.0001 0.001 0.01" || len(ticks) != 8+9*3+3 {
		t.Errorf("%d ticks, %s", len(ticks), got)
	}
}

func ExampleLRCurve() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	test := rangetest.Result{Suggestion: 1e-3, Steps: []rangetest.Step{
		{LR: 1e-4, Loss: 0.9, Smoothed: 0.9}, {LR: 1e-3, Loss: 0.6, Smoothed: 0.7}, {LR: 1e-2, Loss: 0.4,
			Smoothed: 0.5}, {LR: 1e-1, Loss: 2, Smoothed: 1},
	}}
	err = LRCurve(filepath.Join(dir, "lr-find.png"), LRFind{Title: "A range test", Test: test})
	fmt.Println(err)
	// Output: <nil>
}
