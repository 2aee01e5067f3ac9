package chart

import (
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// DotRow shows shares of one kind, their mean, and others' figures to compare with.
type DotRow struct {
	Group  string // heading of rows that follow each other
	Name   string
	Text   string // beside the dots
	Colour int    // of the palette
	Dots   []float64
	Mean   float64
	Limits []float64
}

// Sizes of the picture of dots, in points.
const (
	dotRow    = 22
	dotGap    = 14 // above a group
	dotNames  = 300
	dotNumber = 190
)

// WriteDots draws rows below each other as the PNG file path: each share as a dot, their mean as a bar, published
// figures as diamonds, and the text beside them.
func WriteDots(path, title string, rows []DotRow) error {
	if len(rows) == 0 {
		return errors.New("chart: no rows of dots to draw")
	}
	low, groups := 0.9, 0
	for i, r := range rows {
		if i == 0 || r.Group != rows[i-1].Group {
			groups++
		}
		for _, v := range slices.Concat(r.Limits, r.Dots) {
			low = min(low, v)
		}
	}
	height := vg.Length(len(rows)*dotRow+groups*(dotGap+dotRow)) + 84 + 2*margin
	const subtitle = "Dots: runs. Bar: their mean. Diamond: others' figures."
	return writePNG(path, title, subtitle, width, height, func(c draw.Canvas) { drawDots(c, rows, low) })
}

func drawDots(c draw.Canvas, rows []DotRow, low float64) {
	ticks := tickRange(max(0, low), 1, 6, func(v, _ float64) string { return fmt.Sprintf("%.0f %%", 100*v) })
	low = ticks[0].Value
	left, right := c.Min.X+dotNames, c.Max.X-dotNumber
	x := func(v float64) vg.Length { return left + vg.Length((v-low)/(1-low))*(right-left) }
	small := letters(10.5, faintInk)
	bottom := c.Min.Y + 16
	for _, t := range ticks {
		c.StrokeLine2(draw.LineStyle{Color: grid, Width: 0.75}, x(t.Value), bottom, x(t.Value), c.Max.Y)
		c.FillText(aligned(small, draw.XCenter, draw.YTop), vg.Point{X: x(t.Value), Y: bottom - 4}, t.Label)
	}
	y := c.Max.Y + dotGap
	for i, r := range rows {
		if i == 0 || r.Group != rows[i-1].Group {
			y -= dotGap + dotRow
			c.FillText(aligned(bold(letters(12, ink)), draw.XLeft, draw.YCenter), vg.Point{X: c.Min.X, Y: y}, r.Group)
		}
		y -= dotRow
		r.draw(c, x, y)
	}
}

func (r DotRow) draw(c draw.Canvas, x func(float64) vg.Length, y vg.Length) {
	style, of := aligned(letters(11, ink), draw.XLeft, draw.YCenter), paint(r.Colour)
	c.FillText(style, vg.Point{X: c.Min.X + 10, Y: y}, fit(style, r.Name, dotNames-24))
	c.FillText(style, vg.Point{X: c.Max.X - dotNumber + 18, Y: y}, r.Text)
	y -= 1.5 // the middle of small letters
	low, high := r.Mean, r.Mean
	for _, v := range r.Dots {
		low, high = min(low, v), max(high, v)
	}
	c.StrokeLine2(draw.LineStyle{Color: of, Width: 1}, x(low), y, x(high), y)
	for _, v := range r.Dots {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: of, Radius: 3.2, Shape: draw.CircleGlyph{}}, vg.Point{X: x(v), Y: y})
	}
	if len(r.Dots) > 1 {
		c.StrokeLine2(draw.LineStyle{Color: of, Width: 2.4}, x(r.Mean), y-6, x(r.Mean), y+6)
	}
	for _, v := range r.Limits {
		at, s := x(v), vg.Length(4.6)
		diamond := []vg.Point{{X: at - s, Y: y}, {X: at, Y: y + s}, {X: at + s, Y: y}, {X: at, Y: y - s},
			{X: at - s, Y: y}}
		c.StrokeLines(draw.LineStyle{Color: ink, Width: 1.2}, diamond)
	}
}
