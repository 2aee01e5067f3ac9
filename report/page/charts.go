package page

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"fx/internal/chart"
	"fx/internal/fail"
)

// picture is a PNG beside the HTML file.
type picture struct {
	ending string
	curves bool // it shows epochs
	write  func(path string, p Page) error
}

var pictures = []picture{
	{"-accuracy.png", true, func(path string, p Page) error {
		subtitle := "Figures are those of the best epoch, whose weights are kept."
		for _, g := range p.Groups {
			if len(g.Runs) > 1 {
				subtitle = "Lines: means over seeds. Bands: lowest to highest run. " +
					"Figures: best epochs, mean ± standard deviation."
			}
		}
		return chart.WritePlots(path, "Val accuracy by epoch", subtitle, p.accuracies())
	}},
	{"-loss.png", true, func(path string, p Page) error {
		return chart.WritePlots(path, "Loss by epoch", "Mean cross entropy.", p.losses())
	}},
	{"-table.png", false, func(path string, p Page) error {
		return chart.WriteDots(path, "Best val accuracy", p.dots())
	}},
}

// PictureFiles are where the pictures lie that may belong to the HTML file.
func PictureFiles(html string) []string {
	var all []string
	for _, picture := range pictures {
		all = append(all, strings.TrimSuffix(html, filepath.Ext(html))+picture.ending)
	}
	return all
}

// Pictures draws the pictures beside the HTML file and returns their paths. An error names its file.
func Pictures(html string, p Page) ([]string, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	var made []string
	for i, path := range PictureFiles(html) {
		if pictures[i].curves && !p.HasCurves() {
			continue
		}
		if err := pictures[i].write(path, p); err != nil {
			return nil, cannotWrite(path, err)
		}
		made = append(made, path)
	}
	return made, nil
}

func cannotWrite(path string, err error) error {
	return fail.Wrap(fail.Usage, err, "Choose a file in a folder that fx may write with --out.", "write %s", path)
}

// accuracies are the plots of val accuracy, one for each network that has curves.
func (p Page) accuracies() []chart.Plot {
	return p.plots(true, func(plot *chart.Plot, g Group, colour int) {
		line := chart.Line{Name: g.Label(), Legend: g.Label() + ": " + accuracy(g), Colour: colour}
		for _, b := range g.Curve {
			line.Epochs, line.Y = append(line.Epochs, b.Epoch), append(line.Y, b.Accuracy.Mean)
			if len(g.Runs) > 1 {
				line.Low, line.High = append(line.Low, b.Accuracy.Low), append(line.High, b.Accuracy.High)
			}
		}
		plot.Lines = append(plot.Lines, line)
		for _, r := range g.References {
			name := strings.TrimSpace(r.Name + " " + r.Network)
			legend := name + ", " + g.Mode.Name + ": " + Percent(r.BestValAccuracy)
			plot.Limits = append(plot.Limits, chart.Limit{Legend: legend, Colour: colour, Y: r.BestValAccuracy})
		}
	})
}

// losses are the plots of train and val loss.
func (p Page) losses() []chart.Plot {
	return p.plots(false, func(plot *chart.Plot, g Group, colour int) {
		val := chart.Line{Name: g.Label() + ": val", Legend: g.Label(), Colour: colour}
		train := chart.Line{Name: g.Label() + ": train", Colour: colour, Dashed: true}
		for _, b := range g.Curve {
			val.Epochs, val.Y = append(val.Epochs, b.Epoch), append(val.Y, b.ValLoss)
			train.Epochs, train.Y = append(train.Epochs, b.Epoch), append(train.Y, b.TrainLoss)
		}
		plot.Lines = append(plot.Lines, val, train)
	})
}

func (p Page) plots(share bool, add func(*chart.Plot, Group, int)) []chart.Plot {
	var all []chart.Plot
	for _, network := range p.networks() {
		plot := chart.Plot{Name: network, Share: share}
		groups := p.of(network)
		for i, colour := range coloursOf(groups) {
			if len(groups[i].Curve) > 0 {
				plot.Step = groups[i].Step
				add(&plot, groups[i], colour)
			}
		}
		if len(plot.Lines) > 0 {
			all = append(all, plot)
		}
	}
	return chart.Together(all)
}

// dots are the best val accuracies of all runs.
func (p Page) dots() []chart.DotRow {
	var all []chart.DotRow
	for _, network := range p.networks() {
		groups := p.of(network)
		for i, colour := range coloursOf(groups) {
			g := groups[i]
			row := chart.DotRow{
				Group: network, Name: g.Label(), Text: accuracy(g) + ", " + Duration(g.Seconds),
				Colour: colour, Mean: g.Accuracy.Mean,
			}
			for _, r := range g.Runs {
				row.Dots = append(row.Dots, p.Runs[r].BestValAccuracy)
			}
			for _, r := range g.References {
				row.Limits = append(row.Limits, r.BestValAccuracy)
			}
			all = append(all, row)
		}
	}
	return all
}

// accuracy writes that of a group: 95.4 % ± 0.7, 3 runs.
func accuracy(g Group) string {
	text := Percent(g.Accuracy.Mean)
	if g.Accuracy.N > 1 {
		text += fmt.Sprintf(" ± %s, %d runs", points(g.Accuracy.SD), g.Accuracy.N)
	}
	return text
}

// coloursOf gives each mode its colour, and to what else there is one of the others.
func coloursOf(groups []Group) []int {
	colours := make([]int, len(groups))
	taken := map[int]bool{}
	for i, g := range groups {
		colour := g.Mode.Colour
		for next := 3; taken[colour] && next < chart.Colours; next++ {
			colour = next
		}
		taken[colour] = true
		colours[i] = colour
	}
	return colours
}

// svgChart is a chart in the page.
type svgChart struct {
	Name    string
	Says    string // for who does not see it
	Legend  []chart.LegendEntry
	Drawing chart.Drawing
	Tip     any // what the script shows: plotTip or mapTip
	Number  int // of Tip in the document
}

// plotTip is what is said at the epochs of a plot, by columns of lines.
type plotTip struct {
	Step   string    `json:"step"`
	Epochs []int     `json:"epochs"`
	X      []float64 `json:"x"` // in the units of the viewBox
	Lines  []lineTip `json:"lines"`
}

type lineTip struct {
	Name   string   `json:"name"`
	Colour int      `json:"colour"`
	Values []string `json:"values"` // by epoch, "" where the line has none
}

// drawPlots draws plots for the page.
func drawPlots(plots []chart.Plot) ([]svgChart, error) {
	var all []svgChart
	for _, p := range plots {
		drawn, err := p.SVG()
		if err != nil {
			return nil, err
		}
		value := func(v float64) string { return fmt.Sprintf("%.4f", v) }
		if p.Share {
			value = Percent
		}
		tip := plotTip{Step: p.Step, Epochs: p.Epochs(), X: drawn.X}
		if tip.Step == "" {
			tip.Step = "epoch"
		}
		var last []string
		for _, l := range p.Lines {
			of := lineTip{Name: l.Name, Colour: l.Colour, Values: make([]string, len(tip.Epochs))}
			at := 0
			for i, e := range l.Epochs {
				for tip.Epochs[at] != e {
					at++
				}
				of.Values[at] = value(l.Y[i])
				if l.Low != nil {
					of.Values[at] += fmt.Sprintf(" (%s–%s)", points(l.Low[i]), points(l.High[i]))
				}
			}
			tip.Lines = append(tip.Lines, of)
			last = append(last, l.Name+", last "+value(l.Y[len(l.Y)-1]))
		}
		all = append(all, svgChart{
			Name: p.Name, Says: p.Name + ": " + strings.Join(last, "; ") + ". Arrow keys read the values.",
			Legend: p.Legend(), Drawing: drawn, Tip: tip,
		})
	}
	return all, nil
}

// mapTip holds the points of a map column by column.
type mapTip struct {
	Classes     []string  `json:"classes"`
	Photo       []int     `json:"photo"`
	X           []float64 `json:"x"` // in the units of the viewBox
	Y           []float64 `json:"y"`
	Label       []int     `json:"label"`
	Class       []int     `json:"class"`
	Probability []float64 `json:"probability"`
}

// mapOf draws the map of a run.
func mapOf(r Run) svgChart {
	of := chart.Map{Classes: r.Classes}
	for _, p := range r.Evaluation.Map.Points {
		of.Points = append(of.Points, chart.MapPoint{X: p.X, Y: p.Y, Class: p.Label, Ring: p.Label != p.Class})
	}
	drawn := of.SVG()
	tip := mapTip{Classes: r.Classes, X: drawn.X, Y: drawn.Y}
	for _, p := range r.Evaluation.Map.Points {
		tip.Photo, tip.Label, tip.Class = append(tip.Photo, p.Photo), append(tip.Label, p.Label), append(tip.Class,
			p.Class)
		tip.Probability = append(tip.Probability, math.Round(1000*p.Probability)/1000)
	}
	return svgChart{
		Says: fmt.Sprintf("Map of %d photos by what the network sees in them. Arrow keys go from photo to photo.",
			len(of.Points)),
		Legend: of.Legend("mistake"), Drawing: drawn, Tip: tip,
	}
}
