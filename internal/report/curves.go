package report

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// heading is the height of the line above a panel.
const heading = 22

// curve is one line of a panel.
type curve struct {
	name  string
	ink   colour
	value func(Epoch) float64
}

// panel is one diagram: curves over the epochs.
type panel struct {
	heading string
	curves  []curve
	percent bool
}

var panels = []panel{
	{"Accuracy", []curve{
		{"train", blue, func(e Epoch) float64 { return e.TrainAccuracy }},
		{"val", vermilion, func(e Epoch) float64 { return e.ValAccuracy }},
	}, true},
	{"Loss (cross entropy)", []curve{
		{"train", blue, func(e Epoch) float64 { return e.TrainLoss }},
		{"val", vermilion, func(e Epoch) float64 { return e.ValLoss }},
	}, false},
}

// drawCurves draws the panels below each other, their left edges aligned.
func drawCurves(c draw.Canvas, r Report) {
	plots := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		plots[i] = []*plot.Plot{p.plot(r)}
	}
	last := plots[len(plots)-1][0]
	last.X.Label.Text = r.step()
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: heading, PadY: heading + 10}
	for i, row := range plot.Align(plots, tiles, c) {
		plots[i][0].Draw(row[0])
		panels[i].drawHeading(row[0], plots[i][0], r)
	}
}

func (r Report) step() string {
	if r.Step == "" {
		return "epoch"
	}
	return r.Step
}

// best returns the epoch to mark.
func (r Report) best() (Epoch, bool) {
	for _, e := range r.Epochs {
		if e.Epoch == r.BestEpoch {
			return e, true
		}
	}
	return Epoch{}, false
}

func (p panel) plot(r Report) *plot.Plot {
	d := newPlot()
	first, last := r.Epochs[0].Epoch, r.Epochs[len(r.Epochs)-1].Epoch
	side := 0.02*float64(last-first) + 0.15
	d.X.Min, d.X.Max = float64(first)-side, float64(last)+side
	d.X.Tick.Marker = constantTicks(epochTicks(first, last))
	low, high := p.values(r)
	ticks := p.valueTicks(low, high)
	d.Y.Min, d.Y.Max = ticks[0].Value, ticks[len(ticks)-1].Value
	// Room for half a point at the edges: 0 and 100 % are common values.
	room := 0.02 * (d.Y.Max - d.Y.Min)
	d.Y.Min, d.Y.Max = d.Y.Min-room, d.Y.Max+room
	d.Y.Tick.Marker = constantTicks(ticks)

	d.Add(gridLines())
	if best, marked := r.best(); marked {
		x := float64(best.Epoch)
		d.Add(&plotter.Line{XYs: plotter.XYs{{X: x, Y: d.Y.Min}, {X: x, Y: d.Y.Max}},
			LineStyle: draw.LineStyle{Color: mark, Width: 1, Dashes: []vg.Length{3, 3}}})
	}
	low, high = d.Y.Min, d.Y.Max
	for _, c := range p.curves {
		d.Add(c.plotters(r)...)
	}
	d.Y.Min, d.Y.Max = low, high // Add widens the axes to the data
	d.X.Min, d.X.Max = float64(first)-side, float64(last)+side
	return d
}

// newPlot is a diagram with quiet axes.
func newPlot() *plot.Plot {
	d := plot.New()
	small := letters(10.5, faintInk)
	for _, axis := range []*plot.Axis{&d.X, &d.Y} {
		axis.Tick.Label.Font, axis.Tick.Label.Color = small.Font, small.Color
		axis.Label.TextStyle.Font, axis.Label.TextStyle.Color = small.Font, small.Color
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = mark, mark
		axis.Padding = 0
	}
	d.X.Label.Padding = 2
	d.X.Tick.Length = 4
	d.Y.LineStyle.Width, d.Y.Tick.Length = 0, 0
	return d
}

// gridLines run from the ticks of the values.
func gridLines() *plotter.Grid {
	lines := plotter.NewGrid()
	lines.Vertical.Width = 0
	lines.Horizontal.Color = grid
	return lines
}

// manyEpochs is where the points of a curve begin to touch each other.
const manyEpochs = 40

func (c curve) plotters(r Report) []plot.Plotter {
	points := make(plotter.XYs, len(r.Epochs))
	for i, e := range r.Epochs {
		points[i] = plotter.XY{X: float64(e.Epoch), Y: c.value(e)}
	}
	all := []plot.Plotter{&plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: c.ink, Width: 2}}}
	if len(points) <= manyEpochs {
		all = append(all, &plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: c.ink, Radius: 2.8, Shape: draw.CircleGlyph{}}})
	}
	return all
}

// values returns the smallest and largest value of the panel.
func (p panel) values(r Report) (low, high float64) {
	low = p.curves[0].value(r.Epochs[0])
	high = low
	for _, c := range p.curves {
		for _, e := range r.Epochs {
			low, high = min(low, c.value(e)), max(high, c.value(e))
		}
	}
	return low, high
}

// valueTicks covers accuracies up to 100 %, and losses from 0.
func (p panel) valueTicks(low, high float64) []plot.Tick {
	if p.percent {
		return tickRange(max(0, min(low, 0.9)), 1, 6, func(v, _ float64) string { return fmt.Sprintf("%.0f %%", 100*v) })
	}
	return tickRange(0, high, 6, number)
}

// legend writes entries from right to left, each with an icon before its text.
type legend struct {
	canvas       draw.Canvas
	style        draw.TextStyle
	right        vg.Length // where the next entry ends
	line, middle vg.Length // heights of the text and of the icons
}

func newLegend(c draw.Canvas, right, line vg.Length) *legend {
	style := letters(11, ink)
	return &legend{canvas: c, style: style, right: right, line: line, middle: line + style.Height("x")/2 - 1}
}

// add writes an entry; icon draws what ends at right.
func (l *legend) add(text string, icon func(right vg.Length)) {
	l.right -= l.style.Width(text)
	l.canvas.FillText(l.style, vg.Point{X: l.right, Y: l.line}, text)
	l.right -= 5
	icon(l.right)
	l.right -= 20 + 14
}

// drawHeading writes what the panel and its curves are above the data area.
func (p panel) drawHeading(c draw.Canvas, d *plot.Plot, r Report) {
	data := d.DataCanvas(c)
	y := c.Max.Y + 8
	name := bold(letters(12, ink))
	c.FillText(name, vg.Point{X: data.Min.X, Y: y}, p.heading)
	l := newLegend(c, data.Max.X, y)
	entry, middle := l.add, l.middle
	if best, marked := r.best(); marked {
		text := fmt.Sprintf("best: %s %d", r.step(), best.Epoch)
		if p.percent {
			text = fmt.Sprintf("best val %.1f %% (%s %d)", 100*best.ValAccuracy, r.step(), best.Epoch)
		}
		entry(text, func(right vg.Length) {
			c.StrokeLine2(draw.LineStyle{Color: mark, Width: 1, Dashes: []vg.Length{3, 3}}, right-5, middle-6.5, right-5, middle+6.5)
			l.right += 11
		})
	}
	for i := len(p.curves) - 1; i >= 0; i-- {
		of := p.curves[i]
		entry(of.name, func(right vg.Length) {
			c.StrokeLine2(draw.LineStyle{Color: color.Color(of.ink), Width: 2}, right-20, middle, right, middle)
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: of.ink, Radius: 2.8, Shape: draw.CircleGlyph{}}, vg.Point{X: right - 10, Y: middle})
		})
	}
}
