package chart

import (
	"bytes"
	"fmt"
	"html"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// svg is a canvas that writes the elements of an SVG. gonum's vgsvg writes fixed colours and fonts into each element:
// these do not follow a page's theme, and make a map of 600 photos large.
type svg struct {
	out     bytes.Buffer
	w, h    vg.Length
	group   string // attributes of the open <g>, "" for none
	now     svgState
	earlier []svgState
}

type svgState struct {
	colour colour
	width  vg.Length
	dashes []vg.Length
}

func newSVG(w, h vg.Length) (*svg, draw.Canvas) {
	s := &svg{w: w, h: h}
	vg.Initialize(s)
	return s, draw.New(s)
}

// elements ends the drawing and returns the content of <svg>.
func (s *svg) elements() string {
	s.open("")
	return s.out.String()
}

// open begins a <g> with the attributes for the following elements.
func (s *svg) open(attributes string) {
	if attributes == s.group {
		return
	}
	if s.group != "" {
		s.out.WriteString("</g>\n")
	}
	if s.group = attributes; attributes != "" {
		fmt.Fprintf(&s.out, "<g %s>", attributes)
	}
}

func tenths(v vg.Length) float64 { return math.Round(10*float64(v)) / 10 }

// units formats a length to a tenth of a unit.
func units(v vg.Length) string { return strconv.FormatFloat(tenths(v)+0, 'f', -1, 64) } // + 0: not -0

// Size returns the size of the viewBox.
func (s *svg) Size() (w, h vg.Length) { return s.w, s.h }

// The state of vg.Canvas.
func (s *svg) SetLineWidth(w vg.Length)                    { s.now.width = w }
func (s *svg) SetLineDash(dashes []vg.Length, _ vg.Length) { s.now.dashes = dashes }
func (s *svg) SetColor(c color.Color) {
	if c == nil {
		c = color.Black // as vg.Canvas requires
	}
	s.now.colour = color.NRGBAModel.Convert(c).(colour)
}
func (s *svg) Push() { s.earlier = append(s.earlier, s.now) }
func (s *svg) Pop() {
	last := len(s.earlier) - 1
	s.now, s.earlier = s.earlier[last], s.earlier[:last]
}

// Charts rotate and move only text, which textHandler writes.
func (s *svg) Rotate(float64)                      { panic("chart: an SVG is not rotated") }
func (s *svg) Translate(vg.Point)                  { panic("chart: an SVG is not moved") }
func (s *svg) Scale(float64, float64)              { panic("chart: an SVG is not scaled") }
func (s *svg) DrawImage(vg.Rectangle, image.Image) { panic("chart: an SVG contains no image") }
func (s *svg) FillString(font.Face, vg.Point, string) {
	panic("chart: text of an SVG is written by textHandler")
}

// opacity returns the attribute of the colour's opacity, "" for an opaque colour.
func (s *svg) opacity(name string) string {
	if s.now.colour.A == 0xff {
		return ""
	}
	return fmt.Sprintf(` %s="%.2f"`, name, float64(s.now.colour.A)/0xff)
}

// Fill implements vg.Canvas.
func (s *svg) Fill(p vg.Path) {
	s.open(fmt.Sprintf(`fill="%s"`, variable(s.now.colour)) + s.opacity("fill-opacity"))
	s.path(p)
}

// Stroke implements vg.Canvas.
func (s *svg) Stroke(p vg.Path) {
	if s.now.width <= 0 {
		return
	}
	attributes := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="%s"`, variable(s.now.colour), units(s.now.width))
	attributes += s.opacity("stroke-opacity")
	if len(s.now.dashes) > 0 {
		var dashes []string
		for _, d := range s.now.dashes {
			dashes = append(dashes, units(d))
		}
		attributes += fmt.Sprintf(` stroke-dasharray="%s"`, strings.Join(dashes, " "))
	}
	s.open(attributes)
	s.path(p)
}

// path writes a circle as <circle> and all other shapes, which consist of straight lines, as <path>.
func (s *svg) path(p vg.Path) {
	for _, part := range p {
		if part.Type == vg.ArcComp {
			x, y := units(part.Pos.X), units(s.h-part.Pos.Y)
			fmt.Fprintf(&s.out, `<circle cx="%s" cy="%s" r="%s"/>`, x, y, units(part.Radius))
			return
		}
	}
	var d strings.Builder
	for _, part := range p {
		switch part.Type {
		case vg.MoveComp:
			fmt.Fprintf(&d, "M%s %s", units(part.Pos.X), units(s.h-part.Pos.Y))
		case vg.LineComp:
			fmt.Fprintf(&d, "L%s %s", units(part.Pos.X), units(s.h-part.Pos.Y))
		case vg.CloseComp:
			d.WriteString("Z")
		default:
			panic(fmt.Sprintf("chart: an SVG has no path of kind %d", part.Type))
		}
	}
	fmt.Fprintf(&s.out, `<path d="%s"/>`, d.String())
}

// textHandler writes SVG text with its alignment, so that any font of the page fits, and leaves other canvases to
// gonum's handler.
type textHandler struct{ text.Handler }

// Draw implements text.Handler.
func (h textHandler) Draw(c vg.Canvas, txt string, style text.Style, at vg.Point) {
	s := svgUnder(c)
	if s == nil {
		h.Handler.Draw(c, txt, style, at)
		return
	}
	s.SetColor(style.Color)
	anchor := "start"
	switch style.XAlign {
	case text.XCenter:
		anchor = "middle"
	case text.XRight:
		anchor = "end"
	}
	fill, size := variable(s.now.colour), units(style.Font.Size)
	s.open(fmt.Sprintf(`fill="%s" font-size="%s" text-anchor="%s"`, fill, size, anchor))
	baseline := at.Y + vg.Length(style.YAlign)*style.Height(txt) + style.Font.Size - style.FontExtents().Ascent
	fmt.Fprintf(&s.out, `<text x="%s" y="%s">%s</text>`, units(at.X), units(s.h-baseline), html.EscapeString(txt))
}

// svgUnder returns the SVG under a canvas, or nil if there is none.
func svgUnder(c vg.Canvas) *svg {
	for {
		switch of := c.(type) {
		case *svg:
			return of
		case *draw.Canvas:
			c = of.Canvas
		case draw.Canvas:
			c = of.Canvas
		default:
			return nil
		}
	}
}

// Size of a plot in a page, in units that are about pixels on a phone.
const svgWidth, svgHeight = 370, 200

// Drawing is a chart as the elements of an <svg>, whose viewBox is "0 0 Width Height". Positions are in its units,
// from the left and from the top, to a tenth.
type Drawing struct {
	Elements      string
	Width, Height float64
	X, Y          []float64 // of a plot's Epochs (X alone), or of a map's Points
	Top, Bottom   float64   // of a plot's axis of values
}

// SVG draws the plot.
func (p Plot) SVG() (Drawing, error) {
	if err := p.check(); err != nil {
		return Drawing{}, err
	}
	s, c := newSVG(svgWidth, svgHeight)
	d := p.gonum()
	d.BackgroundColor = nil // the page's
	d.Draw(c)
	data := d.DataCanvas(c)
	toX, _ := d.Transforms(&data)
	drawn := Drawing{
		Elements: s.elements(), Width: svgWidth, Height: svgHeight,
		Top: tenths(s.h - data.Max.Y), Bottom: tenths(s.h - data.Min.Y),
	}
	for _, e := range p.Epochs() {
		drawn.X = append(drawn.X, tenths(toX(float64(e))))
	}
	return drawn, nil
}

// LegendEntry is a line of a legend: an icon of 20 by 12 units, and its meaning.
type LegendEntry struct {
	Icon Drawing
	Text string
}

// Legend returns the legend of the plot, for a page.
func (p Plot) Legend() []LegendEntry { return legend(p.entries()) }

func legend(entries []entry) []LegendEntry {
	var all []LegendEntry
	for _, e := range entries {
		const w, h = iconWidth, 12
		s, c := newSVG(w, h)
		e.icon(c, (w-e.width)/2, h/2)
		all = append(all, LegendEntry{Drawing{Elements: s.elements(), Width: w, Height: h}, e.text})
	}
	return all
}
