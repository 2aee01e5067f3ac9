package imaging

import (
	"fmt"
	"image"
	"image/color"
)

// from fills im with p's pixels as Pillow's convert("RGB") does for the same file: alpha dropped, 16-bit colour cut to
// its upper byte, 16-bit gray clamped to 255, as in Pillow. im must have p's size.
func (im *Image) from(p image.Image) error {
	switch p := p.(type) {
	case *image.Gray:
		im.fill(p.Pix, p.Stride, 1, func(q, v []uint8) { q[0], q[1], q[2] = v[0], v[0], v[0] })
	case *image.Gray16:
		im.fill(p.Pix, p.Stride, 2, limitGray)
	case *image.NRGBA:
		im.fill(p.Pix, p.Stride, 4, func(q, v []uint8) { q[0], q[1], q[2] = v[0], v[1], v[2] })
	case *image.RGBA:
		im.fill(p.Pix, p.Stride, 4, func(q, v []uint8) { q[0], q[1], q[2] = v[0], v[1], v[2] })
	case *image.NRGBA64:
		im.fill(p.Pix, p.Stride, 8, func(q, v []uint8) { q[0], q[1], q[2] = v[0], v[2], v[4] })
	case *image.RGBA64:
		im.fill(p.Pix, p.Stride, 8, func(q, v []uint8) { q[0], q[1], q[2] = v[0], v[2], v[4] })
	case *image.Paletted:
		table := paletteOf(p)
		im.fill(p.Pix, p.Stride, 1, func(q, v []uint8) { copy(q, table[v[0]][:]) })
	default:
		return fmt.Errorf("pixels of kind %T are not read", p)
	}
	return nil
}

// fill converts pixel by pixel: q is the pixel to write, v the stored pixel.
func (im *Image) fill(pix []uint8, stride, size int, convert func(q, v []uint8)) {
	for y := range im.H {
		to, from := im.Pix[3*y*im.W:][:3*im.W], pix[y*stride:][:size*im.W]
		for ; len(to) >= 3; to, from = to[3:], from[size:] {
			convert(to[:3:3], from[:size:size])
		}
	}
}

// limitGray converts a pixel of 16-bit big-endian gray.
func limitGray(q, v []uint8) {
	g := v[1]
	if v[0] != 0 {
		g = 255
	}
	q[0], q[1], q[2] = g, g, g
}

// paletteOf returns p's colours without alpha; missing colours are black.
func paletteOf(p *image.Paletted) (table [256][3]uint8) {
	for i, c := range p.Palette[:min(len(p.Palette), 256)] {
		table[i] = colourOf(c)
	}
	return table
}

// colourOf returns a palette's colour without its alpha.
func colourOf(c color.Color) [3]uint8 {
	switch c := c.(type) {
	case color.NRGBA:
		return [3]uint8{c.R, c.G, c.B}
	case color.RGBA:
		return [3]uint8{c.R, c.G, c.B}
	}
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return [3]uint8{uint8(n.R >> 8), uint8(n.G >> 8), uint8(n.B >> 8)}
}
