package imaging

import (
	"math"
	"slices"
)

// chooseConverter sets the function that converts a row of whole pixels to RGB. It refuses kinds of pixels that Pillow
// (OPEN_INFO of its TiffImagePlugin) or fx does not support.
func (p *tiffPicture) chooseConverter() error {
	if p.fillOrder != 1 && (p.fillOrder != 2 || !p.reversible()) {
		return p.unsupported("fill order %d and %s", p.fillOrder, p.sampleList())
	}
	if p.samples > 1 && p.format != tiffUnsigned {
		return p.unsupported("colours of %s", p.sampleList())
	}
	switch p.photometric {
	case tiffWhiteIsZero, tiffBlackIsZero:
		return p.chooseGray()
	case tiffPalette:
		return p.choosePalette()
	case tiffRGB:
		return p.chooseRGB()
	case tiffInks:
		return p.chooseInks()
	case tiffYCbCr:
		return p.chooseYCbCr()
	case tiffLab:
		return p.unsupported("CIE L*a*b* colours")
	}
	return p.unsupported("photometric interpretation %d", p.photometric)
}

// reversible reports whether Pillow reads such samples in reverse bit order.
func (p *tiffPicture) reversible() bool {
	if p.samples == 1 && p.format == tiffUnsigned {
		return p.photometric <= tiffBlackIsZero && p.bits <= 8 || p.photometric == tiffPalette ||
			p.photometric == tiffBlackIsZero && p.bits == 16 && p.upper == 1
	}
	return p.photometric == tiffRGB && p.samples == 3 && p.bits == 8
}

func (p *tiffPicture) chooseGray() error {
	inverted := p.photometric == tiffWhiteIsZero
	// Pillow reads a single plane of plain data without its inversion.
	if inverted && p.compression == tiffPlain && p.int(tagPlanarConfig, 0, 1) == 2 {
		inverted = false
	}
	switch {
	case p.samples == 2 && p.bits == 8 && !inverted && p.extraUnused():
		p.convert = func(rgb, stored []byte) { pick(rgb, stored, 2, 0, 0, 0) }
		return nil
	case p.samples == 2 && slices.Equal(p.extra, []int{1}):
		return p.unsupported("gray that is multiplied with its alpha")
	case p.samples > 1 || len(p.extra) > 0:
		return p.unsupported("gray of %s", p.sampleList())
	case p.format == tiffUnsigned && slices.Contains([]int{1, 2, 4, 8}, p.bits),
		p.format == tiffSigned && p.bits == 8 && !inverted:
		p.convert = indexed(p.bits, grayRamp(p.bits, inverted))
		return nil
	case p.format == tiffUnsigned && p.bits == 12 && !inverted && p.upper == 1:
		p.convert = gray12
		return nil
	}
	value := p.grayValue()
	if value == nil {
		return p.unsupported("gray of %s", p.sampleList())
	}
	size := p.bits / 8
	p.convert = func(rgb, stored []byte) {
		for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[size:] {
			g := value(stored)
			rgb[0], rgb[1], rgb[2] = g, g, g
		}
	}
	return nil
}

// extraUnused reports whether there is one more sample, alpha or unspecified, which is dropped.
func (p *tiffPicture) extraUnused() bool {
	return slices.Equal(p.extra, []int{0}) || slices.Equal(p.extra, []int{2})
}

// grayValue returns the function that clamps a sample of 16 or 32 bits to 0–255, as Pillow does, or nil.
func (p *tiffPicture) grayValue() func(stored []byte) uint8 {
	black := p.photometric == tiffBlackIsZero
	switch {
	case p.format == tiffUnsigned && p.bits == 16: // Pillow does not invert 16 bits
		return func(b []byte) uint8 { return uint8(min(p.order.Uint16(b), 255)) }
	case p.format == tiffSigned && p.bits == 16 && black:
		return func(b []byte) uint8 { return uint8(max(0, min(int16(p.order.Uint16(b)), 255))) }
	case p.format == tiffSigned && p.bits == 32 && black,
		p.format == tiffUnsigned && p.bits == 32 && black && p.upper == 1: // Pillow reads these as signed too
		return func(b []byte) uint8 { return uint8(max(0, min(int32(p.order.Uint32(b)), 255))) }
	case p.format == tiffFloat && p.bits == 32:
		return func(b []byte) uint8 {
			v := math.Float32frombits(p.order.Uint32(b))
			switch {
			case v >= 255:
				return 255
			case v > 0:
				return uint8(v)
			}
			return 0
		}
	}
	return nil
}

// grayRamp maps values of that many bits to 0–255.
func grayRamp(bits int, inverted bool) *[256][3]uint8 {
	var ramp [256][3]uint8
	top := 1<<bits - 1
	for v := range top + 1 {
		g := uint8(v * 255 / top)
		if inverted {
			g = ^g
		}
		ramp[v] = [3]uint8{g, g, g}
	}
	return &ramp
}

// gray12 clamps values of 12 bits to 255. Two values are packed in three bytes.
func gray12(rgb, stored []byte) {
	for i := 0; 3*i < len(rgb); i++ {
		b := stored[i/2*3:]
		v := int(b[0])<<4 | int(b[1])>>4
		if i%2 == 1 {
			v = int(b[1]&15)<<8 | int(b[2])
		}
		g := uint8(min(v, 255))
		rgb[3*i], rgb[3*i+1], rgb[3*i+2] = g, g, g
	}
}

func (p *tiffPicture) choosePalette() error {
	withMore := p.samples == 2 && p.bits == 8 && p.extraUnused()
	alone := p.samples == 1 && len(p.extra) == 0 &&
		slices.Contains([]int{1, 2, 4, 8}, p.bits) && p.format == tiffUnsigned
	if !withMore && !alone {
		return p.unsupported("a palette and %s", p.sampleList())
	}
	n := p.count(tagColorMap) / 3
	if n < 1 || n > 256 {
		return p.unsupported("a palette of %d colours", n)
	}
	var palette [256][3]uint8 // missing colours are black
	for i := range 3 * n {
		palette[i%n][i/n] = uint8(p.uint(tagColorMap, i, 0) >> 8)
	}
	if alone {
		p.convert = indexed(p.bits, &palette)
		return nil
	}
	p.convert = func(rgb, stored []byte) {
		for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[2:] {
			copy(rgb[:3], palette[stored[0]][:])
		}
	}
	return nil
}

func (p *tiffPicture) chooseRGB() error {
	// A fourth value is alpha, unless it is declared unspecified; Corel's 999 is alpha too.
	ok := p.samples == 3+len(p.extra) || p.samples == 4 && len(p.extra) == 0
	for i, e := range p.extra {
		ok = ok && (e == 0 || i == 0 && (e == 1 || e == 2 || e == 999 && p.samples == 4 && p.bits == 8))
	}
	if !ok || p.bits != 8 && p.bits != 16 || p.bits == 16 && p.samples > 4 {
		return p.unsupported("RGB of %s", p.sampleList())
	}
	step, at := p.sampleStep()
	size := step * p.stored()
	r, g, b, a := at, at+step, at+2*step, at+3*step
	p.convert = func(rgb, stored []byte) { pick(rgb, stored, size, r, g, b) }
	// libtiff reads an undeclared fourth plane as unspecified, and Pillow reads it as premultiplied alpha.
	unsaid := p.planes == 4 && len(p.extra) == 0 && p.compression != tiffPlain
	if unsaid || len(p.extra) > 0 && p.extra[0] == 1 {
		p.convert = func(rgb, stored []byte) {
			for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[size:] {
				separate(rgb, stored[r], stored[g], stored[b], stored[a])
			}
		}
	}
	return nil
}

// sampleStep returns the size of a sample, and which of its bytes counts. Planes are already cut to 8 bits.
func (p *tiffPicture) sampleStep() (size, at int) {
	if p.bits == 8 || p.planes > 1 {
		return 1, 0
	}
	return 2, p.upper
}

// stored returns how many values of a pixel the converter receives.
func (p *tiffPicture) stored() int {
	if p.planes > 1 {
		return p.planes
	}
	return p.samples
}

func (p *tiffPicture) chooseInks() error {
	ok := p.samples == 4+len(p.extra) && (p.bits == 8 || p.bits == 16 && p.samples == 4)
	for _, e := range p.extra {
		ok = ok && e == 0
	}
	if !ok {
		return p.unsupported("inks of %s", p.sampleList())
	}
	step, at := p.sampleStep()
	size := step * p.stored()
	p.convert = func(rgb, stored []byte) {
		for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[size:] {
			plainCMYK(rgb[:3], []byte{stored[at], stored[at+step], stored[at+2*step], stored[at+3*step]})
		}
	}
	return nil
}

// separate divides by alpha as Pillow does.
func separate(q []uint8, r, g, b, a uint8) {
	if a == 0 {
		q[0], q[1], q[2] = 0, 0, 0
		return
	}
	q[0], q[1], q[2] = r, g, b
	for i := range 3 {
		q[i] = uint8(min(255, 255*int(q[i])/int(a)))
	}
}
