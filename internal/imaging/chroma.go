package imaging

import "image"

// convertYCbCr converts JPEG planes to RGB as libjpeg does: it upsamples chroma with libjpeg's "fancy" triangle
// filters (jdsample.c of libjpeg-turbo), then applies its fixed-point conversion (jdcolor.c).
func convertYCbCr(im *Image, p *image.YCbCr) error {
	c := chroma{ratio: p.SubsampleRatio, width: im.W}
	c.planeW, c.planeH = im.W, im.H
	switch c.ratio {
	case image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420:
		c.planeW = (im.W + 1) / 2
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		c.planeW = (im.W + 3) / 4
	}
	switch c.ratio {
	case image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio410:
		c.planeH = (im.H + 1) / 2
	}
	cb, cr := make([]uint8, im.W+3), make([]uint8, im.W+3)
	c.sums = make([]int32, c.planeW)
	for y := range im.H {
		yccRow(im.Pix[3*y*im.W:][:3*im.W], p.Y[y*p.YStride:],
			c.row(cb, p.Cb, p.CStride, y), c.row(cr, p.Cr, p.CStride, y))
	}
	return nil
}

// chroma upsamples the rows of a chroma plane.
type chroma struct {
	ratio          image.YCbCrSubsampleRatio
	width          int // of the image
	planeW, planeH int
	sums           []int32 // per column: 3 parts of the nearer row, 1 of the farther
}

// row returns the chroma values of the image's row y, in room or in the plane itself.
func (c *chroma) row(room, plane []uint8, stride, y int) []uint8 {
	line := func(y int) []uint8 { return plane[y*stride:][:c.planeW] }
	// libjpeg's h2v1 and h2v2 filters need three columns; values of narrower planes are repeated.
	smooth := c.planeW > 2
	switch c.ratio {
	case image.YCbCrSubsampleRatio422:
		if smooth {
			across(room, line(y))
			return room
		}
		return repeat(room, line(y), 2)
	case image.YCbCrSubsampleRatio420:
		if smooth {
			near, far := line(y/2), line(c.other(y))
			for i := range c.sums {
				c.sums[i] = 3*int32(near[i]) + int32(far[i])
			}
			acrossSums(room, c.sums)
			return room
		}
		return repeat(room, line(y/2), 2)
	case image.YCbCrSubsampleRatio440:
		near, far := line(y/2), line(c.other(y))
		bias := 1 + y&1 // upper rows round down at one half, lower ones up
		for i := range near {
			room[i] = uint8((3*int(near[i]) + int(far[i]) + bias) >> 2)
		}
		return room
	case image.YCbCrSubsampleRatio411:
		return repeat(room, line(y), 4)
	case image.YCbCrSubsampleRatio410:
		return repeat(room, line(y/2), 4)
	}
	return line(y)
}

// other returns the plane's second nearest row to the image's row y; at the edges the nearest again.
func (c *chroma) other(y int) int {
	return min(max(y/2-1+2*(y&1), 0), c.planeH-1)
}

// repeat writes every value n times.
func repeat(to, from []uint8, n int) []uint8 {
	for i := range to {
		if i/n >= len(from) {
			break
		}
		to[i] = from[i/n]
	}
	return to
}

// across doubles a row: each value is three parts of the nearer one and one of the farther.
func across(to, from []uint8) {
	last := len(from) - 1
	to[0] = from[0]
	for i := range last {
		a, b := int(from[i]), int(from[i+1])
		to[2*i+1] = uint8((3*a + b + 2) >> 2)
		to[2*i+2] = uint8((a + 3*b + 1) >> 2)
	}
	to[2*last+1] = from[last]
}

// acrossSums is across for sums, which are four times a value.
func acrossSums(to []uint8, from []int32) {
	last := len(from) - 1
	to[0] = uint8((4*from[0] + 8) >> 4)
	for i := range last {
		a, b := from[i], from[i+1]
		to[2*i+1] = uint8((3*a + b + 7) >> 4)
		to[2*i+2] = uint8((a + 3*b + 8) >> 4)
	}
	to[2*last+1] = uint8((4*from[last] + 7) >> 4)
}

// Contributions of chroma, by its value: to red, green and blue. JFIF 1.02,
// page 3, in 16 fractional bits; red and blue are rounded here, green with the sum.
var (
	redOfCr, blueOfCb    [256]int32
	greenOfCr, greenOfCb [256]int32
)

func init() {
	for i := range int32(256) {
		v := i - 128
		redOfCr[i] = (91881*v + 1<<15) >> 16   // 1.40200
		blueOfCb[i] = (116130*v + 1<<15) >> 16 // 1.77200
		greenOfCr[i] = -46802 * v              // 0.71414
		greenOfCb[i] = -22554*v + 1<<15        // 0.34414
	}
}

// yccRow converts one row.
func yccRow(rgb, y, cb, cr []uint8) {
	n := len(rgb) / 3
	y, cb, cr = y[:n], cb[:n], cr[:n]
	for i, l := range y {
		l, b, r := int32(l), cb[i], cr[i]
		q := rgb[3*i:][:3]
		q[0] = limit(l + redOfCr[r])
		q[1] = limit(l + (greenOfCb[b]+greenOfCr[r])>>16)
		q[2] = limit(l + blueOfCb[b])
	}
}

// limit clamps v to 0–255.
func limit(v int32) uint8 {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return uint8(v)
}
