package chart

import (
	"errors"
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// DotGroup is a heading with rows of shares below it.
type DotGroup struct {
	Name string
	Rows []DotRow
}

// DotRow shows shares of one kind, their mean, and others' figures to compare with.
type DotRow struct {
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

// WriteDots draws groups below each other as the PNG file path: each share as a dot, their mean as
// a bar, others' figures as diamonds, and the text beside them.
func WriteDots(path, title string, groups []DotGroup) error {
	low, rows := 0.9, 0
	for _, g := range groups {
		for _, r := range g.Rows {
			rows++
			for _, v := range append(r.Limits, r.Dots...) {
				low = min(low, v)
			}
		}
	}
	if rows == 0 {
		return errors.New("chart: no rows of dots to draw")
	}
	height := vg.Length(rows*dotRow+len(groups)*(dotGap+dotRow)) + 84 + 2*margin
	return writePNG(path, title, "Dots: runs. Bar: their mean. Diamond: others' figures.", width, height, func(c draw.Canvas) {
		drawDots(c, groups, low)
	})
}

func drawDots(c draw.Canvas, groups []DotGroup, low float64) {
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
	for _, g := range groups {
		y -= dotGap + dotRow
		c.FillText(aligned(bold(letters(12, ink)), draw.XLeft, draw.YCenter), vg.Point{X: c.Min.X, Y: y}, g.Name)
		for _, r := range g.Rows {
			y -= dotRow
			r.draw(c, x, y)
		}
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
		diamond := []vg.Point{{X: at - s, Y: y}, {X: at, Y: y + s}, {X: at + s, Y: y}, {X: at, Y: y - s}, {X: at - s, Y: y}}
		c.StrokeLines(draw.LineStyle{Color: ink, Width: 1.2}, diamond)
	}
}
