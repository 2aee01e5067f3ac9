package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

// element is one of an SVG, with the attributes of its <g>.
type element struct {
	name  string
	attrs map[string]string
	text  string
}

// elementsOf reads a drawing, which must be well-formed.
func elementsOf(t *testing.T, d Drawing) []element {
	t.Helper()
	var all []element
	group := map[string]string{}
	for decoder := xml.NewDecoder(strings.NewReader("<svg>" + d.Elements + "</svg>")); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%v in %s", err, d.Elements)
		}
		switch of := token.(type) {
		case xml.StartElement:
			attrs := map[string]string{}
			for _, a := range of.Attr {
				attrs[a.Name.Local] = a.Value
			}
			if of.Name.Local == "g" {
				group = attrs
			} else if of.Name.Local != "svg" {
				for name, value := range group {
					attrs[name] = value
				}
				all = append(all, element{name: of.Name.Local, attrs: attrs})
			}
		case xml.CharData:
			if n := len(all); n > 0 && strings.TrimSpace(string(of)) != "" {
				all[n-1].text += string(of)
			}
		}
	}
}

func examplePlot() Plot {
	return Plot{
		Name: "network", Share: true, Best: 2,
		Lines: []Line{
			{Legend: "upper", Colour: 0, Epochs: []int{1, 2, 3}, Y: []float64{0.5, 0.9, 1},
				Low: []float64{0.4, 0.8, 1}, High: []float64{0.6, 0.95, 1}},
			{Legend: "lower", Colour: 1, Dashed: true, Epochs: []int{2, 3}, Y: []float64{0.3, 0.2}},
		},
		Limits: []Limit{{Legend: "published", Colour: 1, Y: 0.8}},
	}
}

// Points lie where the drawing says, the higher value above the lower, in colours of the theme alone.
func TestPlotAsSVG(t *testing.T) {
	drawn, err := examplePlot().SVG()
	if err != nil {
		t.Fatal(err)
	}
	if raw := regexp.MustCompile(`#[0-9a-fA-F]{3}|rgb|-0[" ]`).FindString(drawn.Elements); raw != "" {
		t.Errorf("%q in %s", raw, drawn.Elements)
	}
	var circles [][2]string
	var bands, dashed int
	texts := map[string]string{}
	for _, e := range elementsOf(t, drawn) {
		switch {
		case e.name == "circle" && e.attrs["fill"] == "var(--c0)":
			circles = append(circles, [2]string{e.attrs["cx"], e.attrs["cy"]})
		case e.name == "path" && e.attrs["fill-opacity"] != "":
			bands++
		case e.name == "path" && e.attrs["stroke"] == "var(--c1)" && e.attrs["stroke-dasharray"] != "":
			dashed++
		case e.name == "text":
			texts[e.text] = e.attrs["text-anchor"]
		}
	}
	span := drawn.Bottom - drawn.Top
	if len(circles) != 3 || bands != 1 || dashed != 2 || span < 100 {
		t.Fatalf("%d points, %d bands, %d dashed lines, an axis of %g", len(circles), bands, dashed, span)
	}
	ticks := examplePlot().valueTicks()
	low, high := ticks[0].Value, ticks[len(ticks)-1].Value
	for i, v := range []float64{0.5, 0.9, 1} {
		room := 0.02 * (high - low)
		y := drawn.Top + (high+room-v)/(high-low+2*room)*span
		at, err := strconv.ParseFloat(circles[i][1], 64)
		if err != nil || circles[i][0] != units(vg.Length(drawn.X[i])) || math.Abs(at-y) > 0.2 {
			t.Errorf("point %d at %v, want %g, %g", i, circles[i], drawn.X[i], y)
		}
	}
	if texts["100 %"] != "end" || texts["2"] != "middle" || texts["epoch"] != "middle" {
		t.Errorf("texts %v", texts)
	}
	if _, err := (Plot{Name: "none"}).SVG(); err == nil {
		t.Error("a plot without epochs was drawn")
	}
	endless := examplePlot()
	endless.Lines[0].Y[1] = math.NaN()
	if _, err := endless.SVG(); err == nil {
		t.Error("a value that is no number was drawn")
	}
}

// Plots that are drawn together have one axis of values.
func TestTogether(t *testing.T) {
	a, b := examplePlot(), examplePlot()
	b.Lines, b.Limits = []Line{{Legend: "l", Epochs: []int{1, 2}, Y: []float64{0.95, 0.96}}}, nil
	alone := b.valueTicks()
	plots := Together([]Plot{a, b})
	if got, want := words(plots[1].valueTicks()), words(plots[0].valueTicks()); got != want || got == words(alone) {
		t.Errorf("ticks %s beside %s, alone %s", got, want, words(alone))
	}
}

// A point lies where the drawing says, in its class's colour and shape; mistakes have rings.
func TestMapAsSVG(t *testing.T) {
	m := Map{Points: []MapPoint{{X: -1, Y: -1}, {X: 1, Y: 1, Class: 1, Ring: true}, {X: 0, Y: 0, Class: 9},
		{X: 0.5, Y: 0, Class: 24}}}
	for range 25 {
		m.Classes = append(m.Classes, "<class>")
	}
	drawn := m.SVG()
	count := map[string]int{}
	for _, e := range elementsOf(t, drawn) {
		count[e.name+" "+e.attrs["fill"]+" "+e.attrs["stroke"]]++
		if e.name == "circle" && e.attrs["stroke"] != "" &&
			(e.attrs["cx"] != units(vg.Length(drawn.X[1])) || e.attrs["cy"] != units(vg.Length(drawn.Y[1]))) {
			t.Errorf("the ring is at %s, %s, its point at %g, %g", e.attrs["cx"], e.attrs["cy"], drawn.X[1], drawn.Y[1])
		}
	}
	// Classes 9 and 24 are shapes of other sides than circles.
	for what, want := range map[string]int{"circle var(--c0) ": 1, "circle var(--c1) ": 1, "path var(--c1) ": 1,
		"path var(--c0) ": 1, "circle none var(--ink)": 1} {
		if count[what] != want {
			t.Errorf("%d of %q: %v", count[what], what, count)
		}
	}
	if drawn.X[0] >= drawn.X[1] || drawn.Y[0] <= drawn.Y[1] || drawn.Y[0] > drawn.Height {
		t.Errorf("places %v, %v of %g", drawn.X, drawn.Y, drawn.Height)
	}
	if entries := m.Legend("mistake"); len(entries) != 5 || entries[4].Text != "mistake" {
		t.Errorf("%d entries", len(entries))
	}
	if one := (Map{Points: []MapPoint{{X: 3, Y: 3}, {X: 3, Y: 3}}}).SVG(); one.X[0] != mapWidth/2 ||
		one.Height != mapLeastHeight {
		t.Errorf("points in one place: %+v", one)
	}
	if none := (Map{}).SVG(); none.Elements != "" {
		t.Errorf("no points: %+v", none)
	}
}
