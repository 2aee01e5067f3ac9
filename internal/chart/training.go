package chart

import (
	"errors"
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"fx/internal/metrics"
)

// Training describes the picture of one training.
type Training struct {
	Title     string // one line; "" for none
	Subtitle  string // one line in small letters; "" for none
	Epochs    []metrics.Epoch
	BestEpoch int    // marked in the curves; 0: none
	Step      string // as in Plot
	Confusion [][]int
	Classes   []string // names, in the order of Confusion
	Photos    string   // what Confusion counts, such as "val photos"
}

// gap is the space between the curves and the matrix, in points.
const gap = 34

// WriteTraining draws curves of accuracy and loss beside the confusion matrix as the PNG file path.
func WriteTraining(path string, t Training) error {
	matrix := Confusion{Counts: t.Confusion, Classes: t.Classes, Photos: t.Photos}
	err := matrix.check()
	plots := t.plots()
	for _, p := range plots {
		err = errors.Join(err, p.check())
	}
	if err != nil {
		return err
	}
	return writePNG(path, t.Title, t.Subtitle, width, height, func(c draw.Canvas) {
		split := c.Max.X - (c.Max.Y - c.Min.Y) + 10 // the matrix gets about a square
		drawColumn(draw.Crop(c, 0, split-gap-c.Max.X, 0, 0), plots)
		matrix.draw(draw.Crop(c, split-c.Min.X, 0, 0, 0))
	})
}

// plots returns the plots of accuracy and loss.
func (t Training) plots() []Plot {
	var epochs []int
	var curves [4][]float64
	for _, e := range t.Epochs {
		epochs = append(epochs, e.Epoch)
		for i, v := range [4]float64{e.TrainAccuracy, e.ValAccuracy, e.TrainLoss, e.ValLoss} {
			curves[i] = append(curves[i], v)
		}
	}
	both := func(train, val []float64) []Line {
		return []Line{
			{Legend: "train", Colour: 0, Epochs: epochs, Y: train},
			{Legend: "val", Colour: 1, Epochs: epochs, Y: val},
		}
	}
	return []Plot{
		{Name: "Accuracy", Step: t.Step, Share: true, Lines: both(curves[0], curves[1]), Best: t.BestEpoch},
		{Name: "Loss (cross entropy)", Step: t.Step, Lines: both(curves[2], curves[3]), Best: t.BestEpoch},
	}
}

// drawColumn draws plots below each other, their left edges aligned and their legends in one line.
func drawColumn(c draw.Canvas, plots []Plot) {
	drawn := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		drawn[i] = []*plot.Plot{p.gonum()}
		if i < len(plots)-1 {
			drawn[i][0].X.Label.Text = "" // only below the last
		}
	}
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadTop: heading, PadY: heading + 10}
	for i, row := range plot.Align(drawn, tiles, c) {
		drawn[i][0].Draw(row[0])
		data, y := drawn[i][0].DataCanvas(row[0]), row[0].Max.Y+8
		row[0].FillText(bold(letters(12, ink)), vg.Point{X: data.Min.X, Y: y}, plots[i].Name)
		drawLegendRow(row[0], append(plots[i].entries(), plots[i].bestEntry()...), data.Max.X, y)
	}
}

// bestEntry returns the legend entry of the marked epoch, with the last line's value there.
func (p Plot) bestEntry() []entry {
	l := p.Lines[len(p.Lines)-1]
	for i, e := range l.Epochs {
		if e != p.Best {
			continue
		}
		text := fmt.Sprintf("best: %s %d", p.step(), p.Best)
		if p.Share {
			text = fmt.Sprintf("best val %.1f %% (%s %d)", 100*l.Y[i], p.step(), p.Best)
		}
		return []entry{markEntry(text, bestStyle)}
	}
	return nil
}
