package report

import (
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// AccuracyByEpoch writes the val accuracy by epoch as the PNG file path: a
// panel for each network, a line for each way of training, the mean over its
// runs, in a band from the lowest to the highest of them.
func AccuracyByEpoch(path string, p Page) error {
	subtitle := "Figures are those of the best epoch, whose weights are kept."
	for _, g := range p.Groups {
		if len(g.Runs) > 1 {
			subtitle = "Lines: means over seeds. Bands: lowest to highest run. Figures: best epochs, mean ± standard deviation."
		}
	}
	return drawPanels(path, p, "Val accuracy by epoch", subtitle, networkPanel{page: p, share: true})
}

// LossByEpoch writes the loss by epoch as the PNG file path, in panels as AccuracyByEpoch.
func LossByEpoch(path string, p Page) error {
	return drawPanels(path, p, "Loss by epoch", "Mean cross entropy. Full lines: val. Dotted lines: train.", networkPanel{page: p})
}

// Sizes of a panel of a network, in points.
const (
	panelWidth, panelHeight = 350, 190
	lonePanelWidth          = 620
	lonePanelHeight         = 330
	panelColumns            = 3
	legendLine              = 14
	panelGap                = 28
	rowGap                  = 14
)

// networkPanel draws the groups of a network.
type networkPanel struct {
	page  Page
	share bool // val accuracy, else the losses
}

func drawPanels(path string, p Page, title, subtitle string, panel networkPanel) error {
	if err := p.check(); err != nil {
		return err
	}
	networks := p.networks()
	columns := min(len(networks), panelColumns)
	if len(networks) == 4 {
		columns = 2
	}
	rows := (len(networks) + columns - 1) / columns
	w, h := vg.Length(panelWidth), vg.Length(panelHeight)
	if len(networks) == 1 {
		w, h = lonePanelWidth, lonePanelHeight
	}
	plots, heads := make([][]*plot.Plot, rows), make([]vg.Length, rows)
	legends := make([]int, rows) // lines of the longest in the row
	height := vg.Length(48 + 2*margin)
	for i := range plots {
		plots[i] = make([]*plot.Plot, columns)
		for k := range plots[i] {
			if n := i*columns + k; n < len(networks) {
				plots[i][k] = panel.plot(networks[n])
				legends[i] = max(legends[i], len(panel.entries(networks[n])))
			}
		}
		heads[i] = heading + vg.Length(legends[i])*legendLine
		if i > 0 {
			heads[i] += rowGap
		}
		height += heads[i] + h
	}
	width := vg.Length(columns)*w + vg.Length(columns-1)*panelGap + 2*margin
	return writePNG(path, Report{Title: title, Subtitle: subtitle}, width, height, func(c draw.Canvas) {
		for i := range plots {
			row := draw.Crop(c, 0, 0, c.Max.Y-c.Min.Y-heads[i]-h, 0)
			tiles := plot.Align(plots[i:i+1], draw.Tiles{Rows: 1, Cols: columns, PadTop: heads[i], PadX: panelGap}, row)[0]
			for k, tile := range tiles {
				if n := i*columns + k; n < len(networks) {
					plots[i][k].Draw(tile)
					panel.drawLegend(tile, plots[i][k], networks[n], legends[i])
				}
			}
			c = draw.Crop(c, 0, 0, 0, -heads[i]-h)
		}
	})
}

func (n networkPanel) plot(network string) *plot.Plot {
	d := newPlot()
	groups := n.page.of(network)
	colours := coloursOf(groups)
	first, last, low, high := 0, 0, 1.0, 0.0
	see := func(v float64) { low, high = min(low, v), max(high, v) }
	step := "epoch"
	for _, g := range groups {
		step = n.page.step(g)
		for _, b := range g.Curve {
			if first == 0 || b.Epoch < first {
				first = b.Epoch
			}
			last = max(last, b.Epoch)
			if n.share {
				see(b.Accuracy.Low)
				see(b.Accuracy.High)
			} else {
				see(b.TrainLoss)
				see(b.ValLoss)
			}
		}
		if n.share {
			for _, r := range g.References {
				see(r.BestValAccuracy)
			}
		}
	}
	ticks := tickRange(0, high, 5, number)
	if n.share {
		ticks = tickRange(max(0, min(low, 0.9)), 1, 5, func(v, _ float64) string { return fmt.Sprintf("%.0f %%", 100*v) })
	}
	d.Add(gridLines())
	for i, g := range groups {
		d.Add(n.curves(g, paint(colours[i]), float64(first), float64(last))...)
	}
	side := 0.02*float64(last-first) + 0.15
	d.X.Min, d.X.Max = float64(first)-side, float64(last)+side
	d.X.Tick.Marker = constantTicks(epochTicks(first, last))
	d.X.Label.Text = step
	d.Y.Min, d.Y.Max = ticks[0].Value, ticks[len(ticks)-1].Value
	room := 0.02 * (d.Y.Max - d.Y.Min) // for half a line at the edges
	d.Y.Min, d.Y.Max = d.Y.Min-room, d.Y.Max+room
	d.Y.Tick.Marker = constantTicks(ticks)
	return d
}

// curves are the lines of a group from the first to the last epoch of the panel.
func (n networkPanel) curves(g Group, c colour, first, last float64) []plot.Plotter {
	line := func(value func(Band) float64, dashes []vg.Length) *plotter.Line {
		var points plotter.XYs
		for _, b := range g.Curve {
			points = append(points, plotter.XY{X: float64(b.Epoch), Y: value(b)})
		}
		return &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: c, Width: 2, Dashes: dashes}}
	}
	if !n.share {
		return []plot.Plotter{
			line(func(b Band) float64 { return b.TrainLoss }, []vg.Length{1.5, 3}),
			line(func(b Band) float64 { return b.ValLoss }, nil),
		}
	}
	var all []plot.Plotter
	if len(g.Runs) > 1 {
		var edge plotter.XYs
		for _, b := range g.Curve {
			edge = append(edge, plotter.XY{X: float64(b.Epoch), Y: b.Accuracy.High})
		}
		for i := len(g.Curve) - 1; i >= 0; i-- {
			edge = append(edge, plotter.XY{X: float64(g.Curve[i].Epoch), Y: g.Curve[i].Accuracy.Low})
		}
		all = append(all, &plotter.Polygon{XYs: []plotter.XYs{edge}, Color: color.NRGBA{R: c.R, G: c.G, B: c.B, A: 0x30}})
	}
	for _, r := range g.References {
		all = append(all, &plotter.Line{XYs: plotter.XYs{{X: first, Y: r.BestValAccuracy}, {X: last, Y: r.BestValAccuracy}},
			LineStyle: draw.LineStyle{Color: c, Width: 1, Dashes: referenceDashes}})
	}
	mean := line(func(b Band) float64 { return b.Accuracy.Mean }, nil)
	all = append(all, mean)
	if len(mean.XYs) <= manyEpochs {
		all = append(all, &plotter.Scatter{XYs: mean.XYs, GlyphStyle: draw.GlyphStyle{Color: c, Radius: 2.4, Shape: draw.CircleGlyph{}}})
	}
	return all
}

var referenceDashes = []vg.Length{5, 3}

// legendEntry is a line of a panel's legend.
type legendEntry struct {
	text string
	line draw.LineStyle
}

func (n networkPanel) entries(network string) []legendEntry {
	var all []legendEntry
	groups := n.page.of(network)
	colours := coloursOf(groups)
	for i, g := range groups {
		text := g.Label()
		if n.share {
			text += " " + Percent(g.Accuracy.Mean)
			if g.Accuracy.N > 1 {
				text += fmt.Sprintf(" ± %s, %d runs", points(g.Accuracy.SD), g.Accuracy.N)
			}
		}
		all = append(all, legendEntry{text, draw.LineStyle{Color: paint(colours[i]), Width: 2}})
	}
	if n.share {
		for i, g := range groups {
			var texts []string
			for _, r := range g.References {
				texts = append(texts, strings.TrimSpace(r.Name+" "+r.Network)+" "+Percent(r.BestValAccuracy))
			}
			if len(texts) > 0 {
				all = append(all, legendEntry{strings.Join(texts, ", "), draw.LineStyle{Color: paint(colours[i]), Width: 1, Dashes: referenceDashes}})
			}
		}
	}
	return all
}

// drawLegend writes the network's name and what its lines are above the data,
// in the room of so many lines.
func (n networkPanel) drawLegend(c draw.Canvas, d *plot.Plot, network string, lines int) {
	data := d.DataCanvas(c)
	y := c.Max.Y + heading - 16 + vg.Length(lines)*legendLine
	room := data.Max.X - data.Min.X
	name := bold(letters(12, ink))
	c.FillText(name, vg.Point{X: data.Min.X, Y: y}, fit(name, network, room))
	style := letters(9.5, faintInk)
	for _, entry := range n.entries(network) {
		y -= legendLine
		middle := y + style.Height("x")/2 - 1
		c.StrokeLine2(entry.line, data.Min.X, middle, data.Min.X+18, middle)
		c.FillText(style, vg.Point{X: data.Min.X + 24, Y: y}, fit(style, entry.text, room-24))
	}
}
