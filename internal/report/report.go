package report

import (
	"errors"
	"fmt"
	"io"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"fx/internal/durable"
)

// Epoch is one point of the curves. Its fields are those of head.Epoch, so that
// report.Epoch(e) converts.
type Epoch struct {
	Epoch         int // from 1
	TrainLoss     float64
	TrainAccuracy float64 // 0 to 1
	ValLoss       float64
	ValAccuracy   float64 // 0 to 1
}

// Report is what the pictures show.
type Report struct {
	Title    string // one line; empty: none
	Subtitle string // one line in small letters; empty: none
	// Epochs are the points of the curves, for Picture and Curves.
	Epochs    []Epoch
	BestEpoch int    // marked in the curves; 0: none
	Step      string // what an Epoch is called, such as "iteration"; empty: "epoch"
	// Confusion counts photos by [true class][predicted class], for Picture and Confusion.
	Confusion [][]int
	Classes   []string // their names, in the same order
	Photos    string   // what Confusion counts, such as "val photos"; empty: "photos"
}

// Pictures are sized in points (1/72 inch) and drawn at this density, so that
// the full one is 1800 pixels wide and its letters stay readable at 1200.
const (
	density = 144 // pixels per inch
	width   = 900 // points
	height  = 560
	margin  = 22
	gap     = 34 // between the curves and the matrix
)

// Picture writes curves and confusion matrix side by side as the PNG file path.
func Picture(path string, r Report) error {
	if err := errors.Join(r.checkEpochs(), r.checkConfusion()); err != nil {
		return err
	}
	return writePNG(path, r, width, height, func(c draw.Canvas) {
		split := c.Max.X - (c.Max.Y - c.Min.Y) + 10 // the matrix gets about a square
		drawCurves(draw.Crop(c, 0, split-gap-c.Max.X, 0, 0), r)
		drawConfusion(draw.Crop(c, split-c.Min.X, 0, 0, 0), r)
	})
}

// Curves writes accuracy and loss of train and val by epoch as the PNG file path.
func Curves(path string, r Report) error {
	if err := r.checkEpochs(); err != nil {
		return err
	}
	return writePNG(path, r, width*2/3, height, func(c draw.Canvas) { drawCurves(c, r) })
}

// Confusion writes the confusion matrix as the PNG file path.
func Confusion(path string, r Report) error {
	if err := r.checkConfusion(); err != nil {
		return err
	}
	return writePNG(path, r, height, height+20, func(c draw.Canvas) { drawConfusion(c, r) })
}

func (r Report) checkEpochs() error {
	if len(r.Epochs) == 0 {
		return errors.New("report: no epochs to draw")
	}
	for _, e := range r.Epochs {
		for _, v := range []float64{e.TrainLoss, e.TrainAccuracy, e.ValLoss, e.ValAccuracy} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("report: epoch %d holds %g", e.Epoch, v)
			}
		}
	}
	return nil
}

func (r Report) checkConfusion() error {
	if len(r.Classes) == 0 || len(r.Confusion) != len(r.Classes) {
		return fmt.Errorf("report: a confusion matrix of %d rows for %d classes", len(r.Confusion), len(r.Classes))
	}
	for i, row := range r.Confusion {
		if len(row) != len(r.Classes) {
			return fmt.Errorf("report: row %d of the confusion matrix has %d columns, not %d", i, len(row), len(r.Classes))
		}
	}
	return nil
}

// writePNG writes what body draws under the titles of r.
func writePNG(path string, r Report, w, h vg.Length, body func(draw.Canvas)) error {
	img := vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(density))
	c := draw.Crop(draw.New(img), margin, -margin, margin, -margin)
	body(drawTitles(c, r))
	return durable.WriteFile(path, func(f io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(f)
		return err
	})
}

// drawTitles writes the titles and returns what is left of c below them.
func drawTitles(c draw.Canvas, r Report) draw.Canvas {
	for _, line := range []struct {
		text string
		size vg.Length
		bold bool
		ink  colour
		room vg.Length
	}{{r.Title, 19, true, ink, 28}, {r.Subtitle, 11, false, faintInk, 20}} {
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
