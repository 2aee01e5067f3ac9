package chart

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Plot describes curves over the epochs of trainings.
type Plot struct {
	Name   string // the subject of the curves, such as a network
	Step   string // the word for an epoch, such as "iteration"; "" for "epoch"
	Share  bool   // values are shares, shown up to 100 %; else they are shown from 0
	Lines  []Line
	Limits []Limit
	Best   int // epoch to mark; 0 for none

	scale *[2]float64 // the common range of several plots, see Together
}

// Line is a curve. Low and High are the edges of a band around Y, nil for none.
type Line struct {
	Name   string // short
	Legend string // "" leaves the line out of the legend
	Colour int    // of the palette
	Dashed bool
	Epochs []int // ascending
	Y      []float64
	Low    []float64
	High   []float64
}

// Limit is a value to compare curves with, drawn as a horizontal line.
type Limit struct {
	Legend string
	Colour int
	Y      float64
}

// manyEpochs is the number of epochs from which the points of a curve would touch.
const manyEpochs = 40

// Patterns of dashed lines.
var (
	trainDashes = []vg.Length{1.5, 3}
	limitDashes = []vg.Length{5, 3}
	bestDashes  = []vg.Length{3, 3}
)

func (p Plot) step() string {
	if p.Step == "" {
		return "epoch"
	}
	return p.Step
}

// Epochs returns the epochs of all lines, ascending.
func (p Plot) Epochs() []int {
	var all []int
	for _, l := range p.Lines {
		all = append(all, l.Epochs...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// values returns the lowest and the highest value that the plots show.
func values(plots []Plot) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range plots {
		for _, l := range p.Lines {
			for _, v := range slices.Concat(l.Y, l.Low, l.High) {
				low, high = min(low, v), max(high, v)
			}
		}
		for _, l := range p.Limits {
			low, high = min(low, l.Y), max(high, l.Y)
		}
	}
	return low, high
}

// Together gives plots the same value axis, so that they can be compared.
func Together(plots []Plot) []Plot {
	low, high := values(plots)
	for i := range plots {
		plots[i].scale = &[2]float64{low, high}
	}
	return plots
}

// check returns an error for plots without a point, and for values that no axis can show.
func (p Plot) check() error {
	if len(p.Epochs()) == 0 {
		return fmt.Errorf("chart: the plot %q has no epochs", p.Name)
	}
	for _, l := range p.Lines {
		for _, v := range slices.Concat(l.Y, l.Low, l.High) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("chart: the plot %q contains %g", p.Name, v)
			}
		}
	}
	return nil
}

// valueTicks returns ticks for shares up to 100 %, and for other values from 0.
func (p Plot) valueTicks() []plot.Tick {
	low, high := values([]Plot{p})
	if p.scale != nil {
		low, high = p.scale[0], p.scale[1]
	}
	if p.Share {
		return tickRange(max(0, min(low, 0.9)), 1, 6, func(v, _ float64) string {
			return fmt.Sprintf("%.0f %%", 100*v)
		})
	}
	return tickRange(0, high, 6, number)
}

// gonum returns gonum's plot, without its legend.
func (p Plot) gonum() *plot.Plot {
	d := newPlot()
	epochs := p.Epochs()
	first, last := float64(epochs[0]), float64(epochs[len(epochs)-1])
	d.X.Tick.Marker = constantTicks(epochTicks(epochs[0], epochs[len(epochs)-1]))
	d.X.Label.Text = p.step()
	ticks := p.valueTicks()
	d.Y.Tick.Marker = constantTicks(ticks)
	bottom, top := ticks[0].Value, ticks[len(ticks)-1].Value
	room := 0.02 * (top - bottom) // for half a point at the edges: 0 and 100 % are common values
	bottom, top = bottom-room, top+room

	d.Add(gridLines())
	if p.Best > 0 {
		x := float64(p.Best)
		d.Add(&plotter.Line{XYs: plotter.XYs{{X: x, Y: bottom}, {X: x, Y: top}}, LineStyle: bestStyle})
	}
	for _, l := range p.Lines {
		if l.Low != nil {
			d.Add(l.band())
		}
	}
	for _, l := range p.Limits {
		d.Add(&plotter.Line{XYs: plotter.XYs{{X: first, Y: l.Y}, {X: last, Y: l.Y}}, LineStyle: l.style()})
	}
	for _, l := range p.Lines {
		d.Add(l.plotters()...)
	}
	side := 0.02*(last-first) + 0.15
	d.X.Min, d.X.Max, d.Y.Min, d.Y.Max = first-side, last+side, bottom, top // Add widens the axes to the data
	return d
}

// newPlot returns a plot with subdued axes.
func newPlot() *plot.Plot {
	d := plot.New()
	small := letters(10.5, faintInk)
	for _, axis := range []*plot.Axis{&d.X, &d.Y} {
		for _, style := range []*draw.TextStyle{&axis.Tick.Label, &axis.Label.TextStyle} {
			style.Font, style.Color, style.Handler = small.Font, small.Color, small.Handler
		}
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = mark, mark
		axis.Padding = 0
	}
	d.X.Label.Padding = 2
	d.X.Tick.Length = 4
	d.Y.LineStyle.Width, d.Y.Tick.Length = 0, 0
	return d
}

// gridLines returns horizontal lines at the value ticks.
func gridLines() *plotter.Grid {
	lines := plotter.NewGrid()
	lines.Vertical.Width = 0
	lines.Horizontal.Color, lines.Horizontal.Width = grid, 0.5
	return lines
}

var bestStyle = draw.LineStyle{Color: mark, Width: 1, Dashes: bestDashes}

func (l Limit) style() draw.LineStyle {
	return draw.LineStyle{Color: paint(l.Colour), Width: 1, Dashes: limitDashes}
}

func (l Line) style() draw.LineStyle {
	style := draw.LineStyle{Color: paint(l.Colour), Width: 2}
	if l.Dashed {
		style.Dashes = trainDashes
	}
	return style
}

func (l Line) glyph() draw.GlyphStyle {
	return draw.GlyphStyle{Color: paint(l.Colour), Radius: 2.6, Shape: draw.CircleGlyph{}}
}

// plotters returns the curve and, if there is room, its points.
func (l Line) plotters() []plot.Plotter {
	points := make(plotter.XYs, len(l.Epochs))
	for i, e := range l.Epochs {
		points[i] = plotter.XY{X: float64(e), Y: l.Y[i]}
	}
	all := []plot.Plotter{&plotter.Line{XYs: points, LineStyle: l.style()}}
	if len(points) <= manyEpochs && !l.Dashed {
		all = append(all, &plotter.Scatter{XYs: points, GlyphStyle: l.glyph()})
	}
	return all
}

func (l Line) band() plot.Plotter {
	var edge plotter.XYs
	for i, e := range l.Epochs {
		edge = append(edge, plotter.XY{X: float64(e), Y: l.High[i]})
	}
	for i := len(l.Epochs) - 1; i >= 0; i-- {
		edge = append(edge, plotter.XY{X: float64(l.Epochs[i]), Y: l.Low[i]})
	}
	fill := paint(l.Colour)
	fill.A = 0x30
	return &plotter.Polygon{XYs: []plotter.XYs{edge}, Color: fill}
}
