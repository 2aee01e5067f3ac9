package chart

import (
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"fx/internal/durable"
)

// Sizes are in points (1/72 inch). At this density a full picture is 1800 pixels wide, and its
// letters are readable at 1200.
const (
	density = 144 // pixels per inch
	width   = 900 // points
	height  = 560
	margin  = 22
)

// heading is the height of the line above a plot.
const heading = 22

// writePNG writes the picture that body draws, below the titles: one line each, "" for none.
func writePNG(path, title, subtitle string, w, h vg.Length, body func(draw.Canvas)) error {
	img := vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(density))
	c := draw.Crop(draw.New(img), margin, -margin, margin, -margin)
	body(drawTitles(c, title, subtitle))
	return durable.WriteFile(path, func(f io.Writer) error {
		return encodePNG(f, img.Image())
	})
}

// drawTitles writes the titles and returns the part of c below them.
func drawTitles(c draw.Canvas, title, subtitle string) draw.Canvas {
	for _, line := range []struct {
		text string
		size vg.Length
		bold bool
		ink  colour
		room vg.Length
	}{{title, 19, true, ink, 28}, {subtitle, 11, false, faintInk, 20}} {
		if line.text == "" {
			continue
		}
		style := letters(line.size, line.ink)
		style.YAlign = draw.YTop
		if line.bold {
			style = bold(style)
		}
		c.FillText(style, vg.Point{X: c.Min.X, Y: c.Max.Y}, fit(style, line.text, c.Max.X-c.Min.X))
		c = draw.Crop(c, 0, 0, 0, -line.room)
	}
	return draw.Crop(c, 0, 0, 0, -6)
}

// Sizes of one of several plots, in points.
const (
	plotWidth, plotHeight = 350, 190
	lonePlotWidth         = 620
	lonePlotHeight        = 330
	plotColumns           = 3
	plotGap               = 28
	rowGap                = 14
)

// WritePlots draws plots in rows as the PNG file path, each under its name and its legend.
func WritePlots(path, title, subtitle string, plots []Plot) error {
	for _, p := range plots {
		if err := p.check(); err != nil {
			return err
		}
	}
	columns := min(len(plots), plotColumns)
	if len(plots) == 4 {
		columns = 2
	}
	rows := (len(plots) + columns - 1) / columns
	w, h := vg.Length(plotWidth), vg.Length(plotHeight)
	if len(plots) == 1 {
		w, h = lonePlotWidth, lonePlotHeight
	}
	drawn, heads := make([][]*plot.Plot, rows), make([]vg.Length, rows)
	legends := make([]int, rows) // lines of the longest in the row
	height := vg.Length(48 + 2*margin)
	for i := range drawn {
		drawn[i] = make([]*plot.Plot, columns)
		for k := range drawn[i] {
			if n := i*columns + k; n < len(plots) {
				drawn[i][k] = plots[n].gonum()
				legends[i] = max(legends[i], len(plots[n].entries()))
			}
		}
		heads[i] = heading + vg.Length(legends[i])*legendLine
		if i > 0 {
			heads[i] += rowGap
		}
		height += heads[i] + h
	}
	width := vg.Length(columns)*w + vg.Length(columns-1)*plotGap + 2*margin
	return writePNG(path, title, subtitle, width, height, func(c draw.Canvas) {
		for i := range drawn {
			row := draw.Crop(c, 0, 0, c.Max.Y-c.Min.Y-heads[i]-h, 0)
			tiles := plot.Align(drawn[i:i+1], draw.Tiles{Rows: 1, Cols: columns, PadTop: heads[i], PadX: plotGap},
				row)[0]
			for k, tile := range tiles {
				if n := i*columns + k; n < len(plots) {
					drawn[i][k].Draw(tile)
					plots[n].drawHead(tile, drawn[i][k], legends[i])
				}
			}
			c = draw.Crop(c, 0, 0, 0, -heads[i]-h)
		}
	})
}

// drawHead writes the plot's name and its legend above it, in the space of lines lines.
func (p Plot) drawHead(c draw.Canvas, d *plot.Plot, lines int) {
	data := d.DataCanvas(c)
	y := c.Max.Y + heading - 16 + vg.Length(lines)*legendLine
	name := bold(letters(12, ink))
	c.FillText(name, vg.Point{X: data.Min.X, Y: y}, fit(name, p.Name, data.Max.X-data.Min.X))
	drawLegendLines(c, p.entries(), data.Min.X, data.Max.X, y-legendLine)
}
