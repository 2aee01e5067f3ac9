package report

import (
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes of the picture of the table, in points.
const (
	dotRow    = 22
	dotGap    = 14 // above a network
	dotNames  = 300
	dotNumber = 190
)

// Table writes the table of networks × ways of training as the PNG file path:
// the best val accuracy of each run as a dot, their mean as a bar, others'
// figures as diamonds, and the numbers beside them.
func Table(path string, p Page) error {
	if err := p.check(); err != nil {
		return err
	}
	networks := p.networks()
	height := vg.Length(len(p.Groups)*dotRow+len(networks)*(dotGap+dotRow)) + 84 + 2*margin
	report := Report{Title: "Best val accuracy", Subtitle: "Dots: runs. Bar: their mean. Diamond: others' figures."}
	return writePNG(path, report, width, height, func(c draw.Canvas) { drawDots(c, p) })
}

func drawDots(c draw.Canvas, p Page) {
	low := 0.9
	for _, g := range p.Groups {
		low = min(low, g.Accuracy.Low)
		for _, r := range g.References {
			low = min(low, r.BestValAccuracy)
		}
	}
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
	for _, network := range p.networks() {
		y -= dotGap + dotRow
		c.FillText(aligned(bold(letters(12, ink)), draw.XLeft, draw.YCenter), vg.Point{X: c.Min.X, Y: y}, network)
		groups := p.of(network)
		colours := coloursOf(groups)
		for i, g := range groups {
			y -= dotRow
			drawDotRow(c, p, g, paint(colours[i]), x, y)
		}
	}
}

func drawDotRow(c draw.Canvas, p Page, g Group, of colour, x func(float64) vg.Length, y vg.Length) {
	name := letters(11, ink)
	c.FillText(aligned(name, draw.XLeft, draw.YCenter), vg.Point{X: c.Min.X + 10, Y: y}, fit(name, g.Label(), dotNames-24))
	text := Percent(g.Accuracy.Mean)
	if g.Accuracy.N > 1 {
		text += fmt.Sprintf(" ± %s, %d runs", points(g.Accuracy.SD), g.Accuracy.N)
	}
	c.FillText(aligned(letters(11, ink), draw.XLeft, draw.YCenter), vg.Point{X: c.Max.X - dotNumber + 18, Y: y}, text+", "+Duration(g.Seconds))
	y -= 1.5 // the middle of small letters
	c.StrokeLine2(draw.LineStyle{Color: of, Width: 1}, x(g.Accuracy.Low), y, x(g.Accuracy.High), y)
	for _, i := range g.Runs {
		at := vg.Point{X: x(p.Runs[i].BestValAccuracy), Y: y}
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: of, Radius: 3.2, Shape: draw.CircleGlyph{}}, at)
	}
	if len(g.Runs) > 1 {
		c.StrokeLine2(draw.LineStyle{Color: of, Width: 2.4}, x(g.Accuracy.Mean), y-6, x(g.Accuracy.Mean), y+6)
	}
	for _, r := range g.References {
		at, s := vg.Point{X: x(r.BestValAccuracy), Y: y}, vg.Length(4.6)
		diamond := []vg.Point{{X: at.X - s, Y: y}, {X: at.X, Y: y + s}, {X: at.X + s, Y: y}, {X: at.X, Y: y - s}, {X: at.X - s, Y: y}}
		c.StrokeLines(draw.LineStyle{Color: ink, Width: 1.2}, diamond)
	}
}
