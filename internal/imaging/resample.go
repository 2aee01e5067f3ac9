package imaging

import (
	"encoding/binary"
	"sync"
)

// view is a rectangle of an image: w×h RGB pixels whose rows begin stride bytes apart.
type view struct {
	pix          []uint8
	w, h, stride int
}

// scratch is the memory that a resize needs besides its input and output:
// both sides' coefficients and the rows between the two passes. Its size is
// bounded by the shorter side of an image, not by its area.
type scratch struct {
	x, y    kernel
	between []uint8
	pair    [][3]uint64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

// maxPooled bounds what a pooled scratch keeps, so that one giant photo does
// not hold its memory for the rest of the process.
const maxPooled = 8 << 20

func (s *scratch) free() {
	if cap(s.between) <= maxPooled {
		scratches.Put(s)
	}
}

// room returns n bytes for what lies between the passes.
func (s *scratch) room(n int) []uint8 {
	if cap(s.between) < n {
		s.between = make([]uint8, n)
	}
	return s.between[:n]
}

// resample writes the part of v's resized pixels that x and y name into dst,
// whose rows begin stride bytes apart, as Pillow 13's ImagingResample does: in
// two passes, each rounded to 8 bits; a side whose size does not change takes
// no part. Only what the wanted pixels need is computed.
func (v view) resample(dst []uint8, stride int, x, y axis, f filter, s *scratch) {
	across, down := x.size != v.w, y.size != v.h
	if across {
		s.x.set(v.w, x, f)
	}
	if down {
		s.y.set(v.h, y, f)
	}
	switch {
	case across && down && verticalFirst(v, x, y):
		first, end := s.x.span()
		width := 3 * (end - first)
		between := s.room(width * y.count)
		columns(between, width, width, v.pix[3*first:], v.stride, 0, &s.y)
		rows(dst, stride, between, width, y.count, first, &s.x, s)
	case across && down:
		first, end := s.y.span()
		width := 3 * x.count
		between := s.room(width * (end - first))
		rows(between, width, v.pix[first*v.stride:], v.stride, end-first, 0, &s.x, s)
		columns(dst, stride, width, between, width, first, &s.y)
	case across:
		rows(dst, stride, v.pix[y.first*v.stride:], v.stride, y.count, 0, &s.x, s)
	case down:
		columns(dst, stride, 3*x.count, v.pix[3*x.first:], v.stride, 0, &s.y)
	default:
		for i := range y.count {
			copy(dst[i*stride:][:3*x.count], v.pix[(y.first+i)*v.stride+3*x.first:])
		}
	}
}

// verticalFirst tells the order of the passes. Since version 13 (pull request
// 9549) Pillow resizes the columns first where the height loses more than
// twice as many pixels as the width; before, always the rows. The two orders
// differ by one level in some values.
func verticalFirst(v view, x, y axis) bool {
	return v.h > y.size && v.h-y.size > 2*(v.w-x.size)
}

// rows resizes count rows of src, each by itself, two at a time. Its first
// column is column number first of the image.
func rows(dst []uint8, stride int, src []uint8, srcStride, count, first int, k *kernel, s *scratch) {
	from, end := k.span()
	n := end - from
	src = src[3*(from-first):]
	if cap(s.pair) < n {
		s.pair = make([][3]uint64, n)
	}
	pair := s.pair[:n]
	for i := 0; i < count; i += 2 {
		j := min(i+1, count-1) // the last row of an odd number is resized twice
		join(pair, src[i*srcStride:][:3*n], src[j*srcStride:][:3*n])
		row2(dst[i*stride:][:3*len(k.start)], dst[j*stride:][:3*len(k.start)], pair, from, k)
	}
}

// join puts two rows of pixels side by side: each channel of a in the lower
// half of 64 bits, of b in the upper.
func join(pair [][3]uint64, a, b []uint8) {
	for i := range pair {
		a, b := a[3*i:][:3], b[3*i:][:3]
		pair[i] = [3]uint64{
			uint64(a[0]) | uint64(b[0])<<32,
			uint64(a[1]) | uint64(b[1])<<32,
			uint64(a[2]) | uint64(b[2])<<32,
		}
	}
}

// row2 resizes two joined rows, whose first column is column number first of
// the image, with one multiplication for both.
func row2(a, b []uint8, pair [][3]uint64, first int, k *kernel) {
	for i, start := range k.start {
		r, g, bl := dot(pair[int(start)-first:][:k.taps], k.coef[i*k.taps:])
		q, o := a[3*i:][:3], b[3*i:][:3]
		q[0], o[0] = clip2(r)
		q[1], o[1] = clip2(g)
		q[2], o[2] = clip2(bl)
	}
}

// dot is a function of its own so that its sums find registers.
//
//go:noinline
func dot(pixels [][3]uint64, coef []int32) (r, g, b uint64) {
	const round = half<<32 | half
	r, g, b = round, round, round
	coef = coef[:len(pixels)]
	for t := range pixels {
		c := uint64(int64(coef[t]))
		p := &pixels[t]
		r += p[0] * c
		g += p[1] * c
		b += p[2] * c
	}
	return r, g, b
}

// half is what rounds a sum of fixed-point products to the nearest value.
const half = 1 << (precision - 1)

// columns resizes the columns of rows of width values that begin srcStride
// bytes apart in src, whose first row is row number first of the image.
func columns(dst []uint8, stride, width int, src []uint8, srcStride, first int, k *kernel) {
	for i := range k.start {
		coef := k.coef[i*k.taps:][:k.taps]
		from := src[(int(k.start[i])-first)*srcStride:]
		to := dst[i*stride:][:width]
		x := 0
		for ; x+8 <= width; x += 8 {
			column8(to[x:][:8], from[x:], srcStride, coef)
		}
		for ; x < width; x++ {
			sum := int32(half)
			for t, c := range coef {
				sum += int32(from[x+t*srcStride]) * c
			}
			to[x] = clip(sum)
		}
	}
}

// column8 computes eight values side by side, two in each 64-bit sum: a
// product has 30 bits at most, and a sum of them, positive or negative, 32, so
// that the lower half's borrow is the only thing that the upper half must be
// freed of at the end.
func column8(dst, src []uint8, stride int, coef []int32) {
	const (
		lanes = 0x000000FF_000000FF
		round = half<<32 | half
	)
	var a, b, c, d uint64 = round, round, round, round
	at := 0
	for _, k := range coef {
		k := uint64(int64(k))
		v := binary.LittleEndian.Uint64(src[at:])
		a += v & lanes * k
		b += v >> 8 & lanes * k
		c += v >> 16 & lanes * k
		d += v >> 24 & lanes * k
		at += stride
	}
	_ = dst[7]
	dst[0], dst[4] = clip2(a)
	dst[1], dst[5] = clip2(b)
	dst[2], dst[6] = clip2(c)
	dst[3], dst[7] = clip2(d)
}

// clip2 takes apart two sums that share 64 bits.
func clip2(sums uint64) (low, high uint8) {
	l := int32(uint32(sums))
	return clip(l), clip(int32((sums - uint64(int64(l))) >> 32))
}

// clip rounds a fixed-point sum down and limits it to 8 bits.
func clip(sum int32) uint8 {
	v := sum >> precision
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return uint8(v)
}
