package chart

import (
	"fmt"
	"image/color"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

type colour = color.NRGBA

// The palette. Blue and vermilion are Okabe and Ito's.
var (
	ink       = hex(0x222222)
	faintInk  = hex(0x666666)
	grid      = hex(0xe3e3e3)
	mark      = hex(0x999999)
	blue      = hex(0x0072b2)
	vermilion = hex(0xd55e00)
	paper     = hex(0xffffff)
	deepBlue  = hex(0x08457e)
)

// hex returns the opaque colour 0xRRGGBB.
func hex(rgb uint32) colour {
	return colour{R: uint8(rgb >> 16), G: uint8(rgb >> 8), B: uint8(rgb), A: 0xff}
}

// letters returns the style of sans-serif text, aligned at its left end and baseline.
func letters(size vg.Length, c colour) draw.TextStyle {
	return draw.TextStyle{
		Color:   c,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		Handler: textHandler{plot.DefaultTextHandler},
	}
}

func bold(s draw.TextStyle) draw.TextStyle {
	s.Font.Weight = xfont.WeightBold
	return s
}

func aligned(s draw.TextStyle, x text.XAlignment, y text.YAlignment) draw.TextStyle {
	s.XAlign, s.YAlign = x, y
	return s
}

// fit shortens s to the room, with an ellipsis if something is cut.
func fit(style draw.TextStyle, s string, room vg.Length) string {
	if style.Width(s) <= room {
		return s
	}
	letters := []rune(s)
	for n := len(letters) - 1; n > 0; n-- {
		if short := string(letters[:n]) + "…"; style.Width(short) <= room {
			return short
		}
	}
	return "…"
}

// mix returns the colour at the share t of the way from a to b.
func mix(a, b colour, t float64) colour {
	blend := func(x, y uint8) uint8 { return uint8(float64(x) + t*(float64(y)-float64(x)) + 0.5) }
	return colour{R: blend(a.R, b.R), G: blend(a.G, b.G), B: blend(a.B, b.B), A: 0xff}
}

func rectangle(x0, y0, x1, y1 vg.Length) []vg.Point {
	return []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}}
}

// palette are the colours of curves and classes on white and on black paper: Okabe and Ito's, with their yellow
// darkened and lightened for contrast. The first three are those of the modes.
var palette = [Colours]struct{ day, night string }{
	{"#0072b2", "#4ba9e6"}, // blue
	{"#d55e00", "#ff8a3d"}, // vermilion
	{"#009e73", "#2bc79a"}, // bluish green
	{"#b5588f", "#e29cc6"}, // reddish purple
	{"#a67c00", "#e5c04b"}, // yellow
	{"#4aa3d8", "#9fd4f5"}, // sky blue
	{"#e69f00", "#ffc04d"}, // orange
	{"#555555", "#bbbbbb"}, // grey
}

// Colours is the number of colours for curves and classes. Higher indices repeat them.
const Colours = 8

// paint returns the colour i of the palette on white paper.
func paint(i int) colour {
	rgb, err := strconv.ParseUint(palette[i%len(palette)].day[1:], 16, 32)
	if err != nil {
		panic(err) // our own constants
	}
	return hex(uint32(rgb))
}

// PaletteCSS returns the CSS of the charts' colours in a page: --c0, --c1 and so on of the palette, for the reader's
// theme. The page itself defines --ink, --soft, --faint and --paper.
func PaletteCSS() string {
	var day, night strings.Builder
	for i, c := range palette {
		fmt.Fprintf(&day, "--c%d:%s;", i, c.day)
		fmt.Fprintf(&night, "--c%d:%s;", i, c.night)
	}
	return ":root{" + day.String() + "}\n@media screen and (prefers-color-scheme:dark){:root{" + night.String() + "}}\n"
}

// variable returns the CSS of a colour of a chart, without its opacity.
func variable(c colour) string {
	c.A = 0xff
	for i := range palette {
		if c == paint(i) {
			return fmt.Sprintf("var(--c%d)", i)
		}
	}
	switch c {
	case ink:
		return "var(--ink)"
	case grid:
		return "var(--faint)"
	case paper:
		return "var(--paper)"
	}
	return "var(--soft)"
}
