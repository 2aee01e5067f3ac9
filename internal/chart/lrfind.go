package chart

import (
	"encoding/csv"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"fx/internal/durable"
	"fx/internal/rangetest"
)

// LRFind describes the picture of a learning-rate range test.
type LRFind struct {
	Title    string
	Subtitle string
	Test     rangetest.Result // its Suggestion is marked, 0 for none, and a tenth of the rate of the lowest loss
}

// lossRoom is the largest loss in the picture, as a multiple of the first smoothed loss: if training diverges, the
// loss is unbounded.
const lossRoom = 1.6

// LRCurve writes the loss by learning rate, on a logarithmic axis, as the PNG file path.
func LRCurve(path string, f LRFind) error {
	if len(f.Test.Steps) < 2 {
		return errors.New("chart: a range test of fewer than two steps can't be drawn")
	}
	return writePNG(path, f.Title, f.Subtitle, width*2/3, height*2/3, func(c draw.Canvas) {
		c = draw.Crop(c, 0, 0, 0, -heading)
		d := f.plot()
		d.Draw(c)
		f.drawHeading(c, d)
	})
}

// LRTable writes the steps as the CSV file path: a header, and a line per step.
func LRTable(path string, steps []rangetest.Step) error {
	return durable.WriteFile(path, func(f io.Writer) error {
		rows := [][]string{{"step", "lr", "loss", "smoothed_loss"}}
		for i, p := range steps {
			row := []string{strconv.Itoa(i + 1)}
			for _, v := range []float64{p.LR, p.Loss, p.Smoothed} {
				row = append(row, strconv.FormatFloat(v, 'g', -1, 64))
			}
			rows = append(rows, row)
		}
		return csv.NewWriter(f).WriteAll(rows)
	})
}

// top returns the highest loss in the picture.
func (f LRFind) top() float64 {
	settled := 0.0
	for _, p := range f.Test.Steps[:max(1, len(f.Test.Steps)/2)] {
		settled = max(settled, p.Smoothed)
	}
	highest := 0.0
	for _, p := range f.Test.Steps {
		highest = max(highest, p.Loss)
	}
	return min(highest, lossRoom*settled)
}

func (f LRFind) plot() *plot.Plot {
	d := newPlot()
	d.X.Label.Text = "learning rate"
	d.X.Scale = plot.LogScale{}
	low, high := f.Test.Steps[0].LR, f.Test.Steps[len(f.Test.Steps)-1].LR
	rates := decades(low, high)
	losses := tickRange(0, f.top(), 6, number)
	d.X.Tick.Marker, d.Y.Tick.Marker = constantTicks(rates), constantTicks(losses)
	lines := plotter.NewGrid()
	lines.Vertical.Color, lines.Horizontal.Color = grid, grid
	d.Add(lines)
	bottom, top := losses[0].Value, losses[len(losses)-1].Value
	for _, m := range f.marks() {
		d.Add(&plotter.Line{XYs: plotter.XYs{{X: m.rate, Y: bottom}, {X: m.rate, Y: top}}, LineStyle: m.line()})
	}
	var raw, smoothed plotter.XYs
	for _, p := range f.Test.Steps {
		if p.Loss <= top {
			raw = append(raw, plotter.XY{X: p.LR, Y: p.Loss})
		}
		if p.Smoothed <= top {
			smoothed = append(smoothed, plotter.XY{X: p.LR, Y: p.Smoothed})
		}
	}
	d.Add(&plotter.Scatter{XYs: raw, GlyphStyle: stepGlyph})
	d.Add(&plotter.Line{XYs: smoothed, LineStyle: smoothedStyle})
	d.X.Min, d.X.Max, d.Y.Min, d.Y.Max = low, high, bottom, top
	return d
}

// lrMark is a marked rate.
type lrMark struct {
	text string
	rate float64
	ink  colour
	dash []vg.Length
}

func (m lrMark) line() draw.LineStyle {
	return draw.LineStyle{Color: color.Color(m.ink), Width: 1.5, Dashes: m.dash}
}

// marks returns the rates to mark, which may be outside the curve.
func (f LRFind) marks() []lrMark {
	var all []lrMark
	for _, m := range []lrMark{
		{"suggested " + learningRate(f.Test.Suggestion), f.Test.Suggestion, vermilion, nil},
		{"lowest / 10: " + learningRate(f.Test.TenthOfLowestLR), f.Test.TenthOfLowestLR, mark, []vg.Length{3, 3}},
	} {
		if m.rate >= f.Test.Steps[0].LR && m.rate <= f.Test.Steps[len(f.Test.Steps)-1].LR {
			all = append(all, m)
		}
	}
	return all
}

// learningRate formats a rate with two digits.
func learningRate(v float64) string { return strconv.FormatFloat(v, 'g', 2, 64) }

// drawHeading draws the legend above the data area.
func (f LRFind) drawHeading(c draw.Canvas, d *plot.Plot) {
	data := d.DataCanvas(c)
	y := c.Max.Y + 8
	c.FillText(bold(letters(12, ink)), vg.Point{X: data.Min.X, Y: y}, "Loss")
	entries := []entry{glyphEntry("of a step", stepGlyph), lineEntry("smoothed", smoothedStyle)}
	for _, m := range f.marks() {
		entries = append(entries, markEntry(m.text, m.line()))
	}
	drawLegendRow(c, entries, data.Max.X, y)
}

var (
	stepGlyph     = draw.GlyphStyle{Color: mix(blue, paper, 0.55), Radius: 1.8, Shape: draw.CircleGlyph{}}
	smoothedStyle = draw.LineStyle{Color: blue, Width: 2}
)

// decades returns a tick for each power of ten in the range, and minor ticks between.
func decades(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
		for multiple := 1.0; multiple < 10; multiple++ {
			v := multiple * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			label := ""
			if multiple == 1 {
				label = fmt.Sprintf("%g", v)
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}
