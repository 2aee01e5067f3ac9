package report

import (
	"math"
	"strings"

	"fx/internal/modeldir"
)

// document is what the page's script draws from.
type document struct {
	Panels []panelDoc `json:"panels"`
	Runs   []runDoc   `json:"runs"`
	Photos []photoDoc `json:"photos"`
}

// panelDoc is the diagrams of a network.
type panelDoc struct {
	Network    string         `json:"network"`
	Step       string         `json:"step"`
	Series     []seriesDoc    `json:"series"`
	References []referenceDoc `json:"references"`
}

// seriesDoc is a group's curves. Low and High are of val accuracy, left out for one run.
type seriesDoc struct {
	Name      string    `json:"name"`
	Colour    int       `json:"colour"`
	Runs      int       `json:"runs"`
	Epochs    []int     `json:"epochs"`
	Accuracy  []float64 `json:"accuracy"`
	Low       []float64 `json:"low,omitempty"`
	High      []float64 `json:"high,omitempty"`
	TrainLoss []float64 `json:"trainLoss"`
	ValLoss   []float64 `json:"valLoss"`
}

type referenceDoc struct {
	Name   string  `json:"name"`
	Colour int     `json:"colour"`
	Value  float64 `json:"value"`
}

type runDoc struct {
	Name    string   `json:"name"`
	Classes []string `json:"classes"`
	Map     *mapDoc  `json:"map,omitempty"`
}

// mapDoc holds the points column by column.
type mapDoc struct {
	Photo       []int     `json:"photo"`
	X           []float64 `json:"x"`
	Y           []float64 `json:"y"`
	Label       []int     `json:"label"`
	Class       []int     `json:"class"`
	Probability []float64 `json:"probability"`
}

type photoDoc struct {
	Name      string `json:"name"`
	Thumbnail bool   `json:"thumbnail"`
}

func newDocument(p Page) document {
	d := document{Panels: []panelDoc{}, Runs: []runDoc{}, Photos: []photoDoc{}}
	for _, network := range p.networks() {
		panel := panelDoc{Network: network, Step: "epoch", Series: []seriesDoc{}, References: []referenceDoc{}}
		colours := coloursOf(p.of(network))
		for i, g := range p.of(network) {
			if len(g.Curve) == 0 {
				continue
			}
			panel.Step = p.step(g)
			panel.Series = append(panel.Series, newSeries(g, colours[i]))
			for _, r := range g.References {
				panel.References = append(panel.References, referenceDoc{referenceName(g, r), colours[i], round(r.BestValAccuracy)})
			}
		}
		d.Panels = append(d.Panels, panel)
	}
	for _, r := range p.Runs {
		d.Runs = append(d.Runs, runDoc{Name: r.Name, Classes: r.Classes, Map: newMap(r.Judged)})
	}
	for _, photo := range p.Photos {
		d.Photos = append(d.Photos, photoDoc{photo.Name, photo.JPEG != nil})
	}
	return d
}

// referenceName says whose figure it is and of what: "published squeezenet1_0, from scratch".
func referenceName(g Group, r Reference) string {
	return strings.TrimSpace(r.Name+" "+r.Network) + ", " + ModeName(g.Mode)
}

// coloursOf gives each mode its colour, and to what else there is one of the others.
func coloursOf(groups []Group) []int {
	colours := make([]int, len(groups))
	taken := map[int]bool{}
	for i, g := range groups {
		colour := modeColour(g.Mode)
		for next := 3; taken[colour] && next < len(palette); next++ {
			colour = next
		}
		taken[colour] = true
		colours[i] = colour
	}
	return colours
}

func modeColour(mode string) int {
	switch mode {
	case modeldir.FeatureExtraction:
		return 0
	case modeldir.Finetune:
		return 1
	}
	return 2
}

func newSeries(g Group, colour int) seriesDoc {
	s := seriesDoc{Name: g.Label(), Colour: colour, Runs: len(g.Runs)}
	for _, b := range g.Curve {
		s.Epochs = append(s.Epochs, b.Epoch)
		s.Accuracy = append(s.Accuracy, round(b.Accuracy.Mean))
		s.TrainLoss = append(s.TrainLoss, round(b.TrainLoss))
		s.ValLoss = append(s.ValLoss, round(b.ValLoss))
		if len(g.Runs) > 1 {
			s.Low, s.High = append(s.Low, round(b.Accuracy.Low)), append(s.High, round(b.Accuracy.High))
		}
	}
	return s
}

func newMap(j *Judged) *mapDoc {
	if j == nil || j.Map == nil {
		return nil
	}
	// The script scales the map: three digits of its width are finer than a pixel.
	widest := 0.0
	for _, p := range j.Map.Points {
		widest = max(widest, math.Abs(p.X), math.Abs(p.Y))
	}
	m := &mapDoc{}
	for _, p := range j.Map.Points {
		m.Photo, m.Label, m.Class = append(m.Photo, p.Photo), append(m.Label, p.Label), append(m.Class, p.Class)
		m.X, m.Y = append(m.X, math.Round(1000*p.X/widest)), append(m.Y, math.Round(1000*p.Y/widest))
		m.Probability = append(m.Probability, math.Round(1000*p.Probability)/1000)
	}
	return m
}

// round keeps five decimals: a tenth of a photo in ten thousand.
func round(v float64) float64 { return math.Round(1e5*v) / 1e5 }
