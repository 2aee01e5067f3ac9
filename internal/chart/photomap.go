package chart

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Map describes points of classes in a plane.
type Map struct {
	Classes []string
	Points  []MapPoint
}

// MapPoint is a point, with a ring if something is wrong with it.
type MapPoint struct {
	X, Y  float64
	Class int // index into Map.Classes
	Ring  bool
}

// Sizes of a map, in the units of its viewBox.
const (
	mapWidth                  = 480
	mapHeight, mapLeastHeight = 320, 120
	mapMargin                 = 14
	mapClasses                = 24 // in the legend
)

// glyphs distinguish classes whose colours are the same.
var glyphs = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamondGlyph{}}

// diamondGlyph is a square on its corner.
type diamondGlyph struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (diamondGlyph) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r := 1.3 * style.Radius
	corners := []vg.Point{{X: at.X - r, Y: at.Y}, {X: at.X, Y: at.Y + r}, {X: at.X + r, Y: at.Y},
		{X: at.X, Y: at.Y - r}}
	c.FillPolygon(style.Color, corners)
}

// ringGlyph is draw.RingGlyph with a thicker line.
type ringGlyph struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (ringGlyph) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	c.SetLineStyle(draw.LineStyle{Color: style.Color, Width: 1.2})
	var p vg.Path
	p.Arc(at, style.Radius, 0, 2*math.Pi)
	c.Stroke(p)
}

// classStyle returns the style of the points of a class.
func classStyle(class int, radius vg.Length) draw.GlyphStyle {
	fill := paint(class)
	fill.A = 0xd0
	return draw.GlyphStyle{Color: fill, Radius: radius, Shape: glyphs[class/len(palette)%len(glyphs)]}
}

func ringStyle(radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: ink, Radius: radius, Shape: ringGlyph{}}
}

// SVG draws the map.
func (m Map) SVG() Drawing {
	if len(m.Points) == 0 {
		return Drawing{}
	}
	left, right, low, high := m.Points[0].X, m.Points[0].X, m.Points[0].Y, m.Points[0].Y
	for _, p := range m.Points {
		left, right, low, high = min(left, p.X), max(right, p.X), min(low, p.Y), max(high, p.Y)
	}
	scale := math.Inf(1)
	if right > left {
		scale = (mapWidth - 2*mapMargin) / (right - left)
	}
	if high > low {
		scale = min(scale, (mapHeight-2*mapMargin)/(high-low))
	}
	if math.IsInf(scale, 1) { // all in one place
		scale = 1
	}
	tall := max(mapLeastHeight, math.Ceil((high-low)*scale+2*mapMargin))
	s, c := newSVG(mapWidth, vg.Length(tall))
	radius := vg.Length(3.6)
	if len(m.Points) > 300 {
		radius = 2.8
	}
	place := func(p MapPoint) vg.Point {
		x, y := mapWidth/2+(p.X-(left+right)/2)*scale, tall/2+(p.Y-(low+high)/2)*scale
		return vg.Point{X: vg.Length(x), Y: vg.Length(y)}
	}
	byClass := slices.Clone(m.Points)
	slices.SortStableFunc(byClass, func(a, b MapPoint) int { return a.Class - b.Class })
	for _, p := range byClass {
		c.DrawGlyphNoClip(classStyle(p.Class, radius), place(p))
	}
	drawn := Drawing{Width: mapWidth, Height: tall}
	for _, p := range m.Points {
		if p.Ring {
			c.DrawGlyphNoClip(ringStyle(radius+2.4), place(p))
		}
		at := place(p)
		drawn.X, drawn.Y = append(drawn.X, tenths(at.X)), append(drawn.Y, tenths(vg.Length(tall)-at.Y))
	}
	drawn.Elements = s.elements()
	return drawn
}

// Legend returns the legend of the map: the classes that have points, and the meaning of rings.
func (m Map) Legend(ring string) []LegendEntry {
	var classes []int
	ringed := false
	for _, p := range m.Points {
		classes, ringed = append(classes, p.Class), ringed || p.Ring
	}
	slices.Sort(classes)
	classes = slices.Compact(classes)
	var entries []entry
	for _, class := range classes[:min(len(classes), mapClasses)] {
		entries = append(entries, glyphEntry(m.Classes[class], classStyle(class, 4)))
	}
	if more := len(classes) - mapClasses; more > 0 {
		nothing := func(draw.Canvas, vg.Length, vg.Length) {}
		entries = append(entries, entry{text: fmt.Sprintf("and %d more", more), icon: nothing})
	}
	if ringed {
		entries = append(entries, glyphEntry(ring, ringStyle(5)))
	}
	return legend(entries)
}
