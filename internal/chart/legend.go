package chart

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// entry is a line of a legend; icon draws its icon, up to iconWidth wide, to the right of left.
type entry struct {
	text  string
	width vg.Length // of the icon
	icon  func(c draw.Canvas, left, middle vg.Length)
}

const iconWidth = 20

// entries returns the legend of the plot's lines and limits.
func (p Plot) entries() []entry {
	var all []entry
	dashed := false
	for _, l := range p.Lines {
		dashed = dashed || l.Dashed
		if l.Legend != "" {
			all = append(all, l.entry(l.Legend))
		}
	}
	if dashed && len(all) > 0 {
		all = append(all, lineEntry("val", draw.LineStyle{Color: faintInk, Width: 2}),
			lineEntry("train", draw.LineStyle{Color: faintInk, Width: 2, Dashes: trainDashes}))
	}
	for _, l := range p.Limits {
		all = append(all, lineEntry(l.Legend, l.style()))
	}
	return all
}

func (l Line) entry(text string) entry {
	e := lineEntry(text, l.style())
	line := e.icon
	e.icon = func(c draw.Canvas, left, middle vg.Length) {
		line(c, left, middle)
		c.DrawGlyphNoClip(l.glyph(), vg.Point{X: left + iconWidth/2, Y: middle})
	}
	return e
}

func lineEntry(text string, style draw.LineStyle) entry {
	return entry{text, iconWidth, func(c draw.Canvas, left, middle vg.Length) {
		c.StrokeLine2(style, left, middle, left+iconWidth, middle)
	}}
}

// markEntry is the entry of a vertical line.
func markEntry(text string, style draw.LineStyle) entry {
	return entry{text, 5, func(c draw.Canvas, left, middle vg.Length) {
		c.StrokeLine2(style, left+2, middle-6.5, left+2, middle+6.5)
	}}
}

func glyphEntry(text string, style draw.GlyphStyle) entry {
	return entry{text, 2 * style.Radius, func(c draw.Canvas, left, middle vg.Length) {
		c.DrawGlyphNoClip(style, vg.Point{X: left + style.Radius, Y: middle})
	}}
}

// drawLegendRow writes entries beside each other on the line y. The last one ends at right.
func drawLegendRow(c draw.Canvas, entries []entry, right, y vg.Length) {
	style := letters(11, ink)
	middle := y + style.Height("x")/2 - 1
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		right -= style.Width(e.text)
		c.FillText(style, vg.Point{X: right, Y: y}, e.text)
		right -= 5 + e.width
		e.icon(c, right, middle)
		right -= 14
	}
}

// legendLine is the height of a line of a legend below its heading.
const legendLine = 14

// drawLegendLines writes entries below each other, from the line y down.
func drawLegendLines(c draw.Canvas, entries []entry, left, right, y vg.Length) {
	style := letters(9.5, faintInk)
	for _, e := range entries {
		e.icon(c, left, y+style.Height("x")/2-1)
		c.FillText(style, vg.Point{X: left + iconWidth + 4, Y: y}, fit(style, e.text, right-left-iconWidth-4))
		y -= legendLine
	}
}
