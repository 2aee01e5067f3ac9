package imaging

import (
	"io"
	"slices"
)

// chooseYCbCr sets the conversion of YCbCr. Pillow has three: that of its JPEG decoder, its own for plain data, which
// it reads as having a colour for each pixel, and libtiff's for the rest.
func (p *tiffPicture) chooseYCbCr() error {
	plain := p.compression == tiffPlain
	switch {
	case p.bits != 8 || len(p.extra) > 0:
		return p.unsupported("YCbCr of %s", p.sampleList())
	case p.samples == 1 && plain:
		p.convert = indexed(8, grayRamp(8, false))
	case p.samples != 3:
		return p.unsupported("YCbCr of %s", p.sampleList())
	case plain && p.planes == 1:
		p.convert = func(rgb, stored []byte) {
			for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[3:] {
				pillowYCbCr(rgb[:3], stored[0], stored[1], stored[2])
			}
		}
	case p.compression == tiffJPEG && p.planes == 1: // the decoder has converted it to RGB
		p.convert = func(rgb, stored []byte) { copy(rgb, stored) }
	case plain || p.compression == tiffJPEG:
		return p.unsupported("YCbCr in separate planes (%s)", tiffCompressions[p.compression])
	default:
		h, v := p.subsampling()
		if !slices.Contains([]int{1, 2, 4}, h) || !slices.Contains([]int{1, 2, 4}, v) || h < 4 && v == 4 ||
			p.planes > 1 && h*v > 1 {
			return p.unsupported("YCbCr whose colours %d×%d pixels share", h, v)
		}
		if !p.tiled && ((p.w+h-1)/h*(h*v+2))%v != 0 {
			return p.unsupported("YCbCr whose colours %d×%d pixels share, in a width of which libtiff loses the end,",
				h, v)
		}
		if p.predictor != 1 && h*v > 1 {
			return p.unsupported("a predictor and YCbCr whose colours %d×%d pixels share", h, v)
		}
		c := p.newYCbCr()
		p.convert = func(rgb, stored []byte) {
			for ; len(rgb) >= 3; rgb, stored = rgb[3:], stored[3:] {
				c.rgb(rgb, stored[0], stored[1], stored[2])
			}
		}
	}
	return nil
}

// subsampling returns how many columns and rows of pixels share a colour.
func (p *tiffPicture) subsampling() (h, v int) {
	return p.int(tagSubsampling, 0, 2), p.int(tagSubsampling, 1, 2)
}

// subsampled reports whether pixels share colours, other than in JPEG.
func (p *tiffPicture) subsampled() bool {
	h, v := p.subsampling()
	return p.photometric == tiffYCbCr && p.samples == 3 && h*v > 1 &&
		p.compression != tiffPlain && p.compression != tiffJPEG
}

// decodeSubsampled reads units of h×v luma values and two of chroma (TIFF 6.0, section 21), which
// all pixels of the unit get.
func (p *tiffPicture) decodeSubsampled(im *Image) error {
	h, v := p.subsampling()
	size := h*v + 2
	units := make([]byte, (p.segW+h-1)/h*size)
	c := p.newYCbCr()
	var unpack tiffUnpacker
	for i := range p.across * p.down {
		x0, y0 := i%p.across*p.segW, i/p.across*p.segH
		packed, err := p.segment(i)
		if err != nil {
			return err
		}
		wide, high := min(p.segW, p.w-x0), min(p.segH, p.h-y0)
		r, err := unpack.open(nil, p, packed, high)
		if err != nil {
			return err
		}
		for y := 0; y < high; y += v {
			if _, err := io.ReadFull(r, units); err != nil {
				return p.damaged(err)
			}
			for j := range min(v, high-y) {
				row := im.Pix[3*((y0+y+j)*p.w+x0):]
				for x := range wide {
					u := units[x/h*size:][:size]
					c.rgb(row[3*x:], u[j*h+x%h], u[h*v], u[h*v+1])
				}
			}
		}
	}
	return nil
}

// tiffYCbCrTables are libtiff's tables for converting YCbCr to RGB (TIFFYCbCrToRGBInit of its tif_color.c).
type tiffYCbCrTables struct {
	y, crR, cbB, crG, cbG [256]int32
}

func (p *tiffPicture) newYCbCr() *tiffYCbCrTables {
	var luma [3]float32
	for i, otherwise := range []float32{0.299, 0.587, 0.114} {
		luma[i] = p.rational(tagLumaWeights, i, otherwise)
	}
	var levels [6]float32 // of black and white for Y, Cb and Cr
	for i, otherwise := range []float32{0, 255, 128, 255, 128, 255} {
		levels[i] = p.rational(tagBlackWhite, i, otherwise)
	}
	const shift, half = 16, 1 << 15
	fix := func(f float32) int32 { return int32(float64(max(0, min(f, 2)))*(1<<shift) + 0.5) }
	f1, f3 := 2-2*luma[0], 2-2*luma[2]
	d1, d2, d3, d4 := fix(f1), -fix(luma[0]*f1/luma[1]), fix(f3), -fix(luma[2]*f3/luma[1])
	value := func(code int, black, white, top float32) int32 {
		span := white - black
		if span == 0 {
			span = 1
		}
		v := float32(int32(code)-int32(black)) * top / span
		return int32(max(-128*32, min(v, 128*32)))
	}
	t := new(tiffYCbCrTables)
	for i := range 256 {
		cr := value(i-128, levels[4]-128, levels[5]-128, 127)
		cb := value(i-128, levels[2]-128, levels[3]-128, 127)
		t.crR[i], t.cbB[i] = (d1*cr+half)>>shift, (d3*cb+half)>>shift
		t.crG[i], t.cbG[i] = d2*cr, d4*cb+half
		t.y[i] = value(i, levels[0], levels[1], 255)
	}
	return t
}

func (t *tiffYCbCrTables) rgb(q []byte, y, cb, cr uint8) {
	clamp := func(v int32) uint8 { return uint8(max(0, min(v, 255))) }
	q[0] = clamp(t.y[y] + t.crR[cr])
	q[1] = clamp(t.y[y] + (t.cbG[cb]+t.crG[cr])>>16)
	q[2] = clamp(t.y[y] + t.cbB[cb])
}

// pillowYCbCr is Pillow's own conversion (ConvertYCbCr.c): products with six fractional bits, to which a half is added
// before they are truncated towards 0.
func pillowYCbCr(q []byte, y, cb, cr uint8) {
	product := func(c uint8, factor float64) int { return int(float64(int(c)-128)*factor*64 + 0.5) }
	clamp := func(v int) uint8 { return uint8(max(0, min(v, 255))) }
	q[0] = clamp(int(y) + product(cr, 1.402)>>6)
	q[1] = clamp(int(y) + (product(cb, -0.34414)+product(cr, -0.71414))>>6)
	q[2] = clamp(int(y) + product(cb, 1.772)>>6)
}
