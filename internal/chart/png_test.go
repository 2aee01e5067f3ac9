package chart

import (
	"image"
	"image/color"
	"path/filepath"
	"testing"
)

// pixels counts those of exactly the colour.
func pixels(img image.Image, c colour) int {
	n := 0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if color.NRGBAModel.Convert(img.At(x, y)) == color.Color(c) {
				n++
			}
		}
	}
	return n
}

// levels are lines of constant values, the first the highest.
func levels(lines int) Plot {
	p := Plot{Name: "network", Share: true}
	for i := range lines {
		v := 0.9 - 0.3*float64(i)
		p.Lines = append(p.Lines, Line{Legend: "line", Colour: i, Epochs: []int{1, 2, 3, 4}, Y: []float64{v, v, v, v}})
	}
	return p
}

// Each line has its colour, none that is not there has, and the higher value lies above the lower one.
func TestPlotsAsPNG(t *testing.T) {
	img := drawn(t, func(path string) error { return WritePlots(path, "Title", "", []Plot{levels(3)}) })
	third := img.Bounds().Dy() / 3 // below the legend
	var rows [3]int
	for i := range rows {
		row, n := longestRow(img, paint(i), third, img.Bounds().Dy())
		if n < 800 {
			t.Errorf("line %d is %d pixels long", i, n)
		}
		rows[i] = row
	}
	if rows[0] >= rows[1] || rows[1] >= rows[2] {
		t.Errorf("the lines lie in the rows %v", rows)
	}
	two := drawn(t, func(path string) error { return WritePlots(path, "Title", "", []Plot{levels(2)}) })
	if n := pixels(two, paint(2)); n > 0 {
		t.Errorf("%d pixels of a line that is not there", n)
	}
}

// Any number of plots and any length of a legend has room.
func TestPlotsTakeAnySize(t *testing.T) {
	for _, n := range []int{1, 2, 4, 7} {
		var plots []Plot
		for i := range n {
			p := levels(1 + i%3)
			p.Lines[0].Legend, p.Lines[0].Epochs, p.Lines[0].Y = string(make([]rune, 200)), []int{1}, []float64{0.5}
			plots = append(plots, p)
		}
		drawn(t, func(path string) error { return WritePlots(path, "", "", Together(plots)) })
	}
}

func TestDotsAsPNG(t *testing.T) {
	rows := []DotRow{
		{Group: "a", Name: "first", Text: "95 %", Colour: 0, Dots: []float64{0.9, 1}, Mean: 0.95,
			Limits: []float64{0.8}},
		{Group: "a", Name: "second", Text: "70 %", Colour: 1, Dots: []float64{0.7}, Mean: 0.7},
		{Group: "b", Name: "third", Text: "80 %", Colour: 2, Dots: []float64{0.8, 0.8, 0.8}, Mean: 0.8},
	}
	img := drawn(t, func(path string) error { return WriteDots(path, "Title", rows) })
	for i := range rows {
		if n := pixels(img, paint(i)); n < 50 {
			t.Errorf("row %d has %d pixels", i, n)
		}
	}
	if n := pixels(img, paint(3)); n > 0 {
		t.Errorf("%d pixels of a row that is not there", n)
	}
	if err := WriteDots(filepath.Join(t.TempDir(), "p.png"), "Title", nil); err == nil {
		t.Error("no rows were drawn")
	}
}
