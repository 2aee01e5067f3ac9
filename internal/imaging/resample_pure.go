package imaging

import "encoding/binary"

// pure resizes in Go, two values in each 64-bit word.
type pure struct{}

func (pure) name() string { return "go" }

// rows resizes two rows at a time.
func (pure) rows(dst []uint8, stride int, src []uint8, srcStride, count, first int, k *kernel, s *scratch) {
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

// join packs two rows of pixels: each channel of a is in the lower half of 64 bits, of b in the upper.
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

// dot is a separate function so that its sums stay in registers.
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

// half rounds a sum of fixed-point products to the nearest value.
const half = 1 << (precision - 1)

// columns resizes eight values at a time.
func (pure) columns(dst []uint8, stride, width int, src []uint8, srcStride, first int, k *kernel) {
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

// column8 computes eight values, two in each 64-bit sum. A product has at most 30 bits, and a sum of them, positive or
// negative, 32, so at the end only the lower half's borrow must be removed from the upper half.
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

// clip2 returns the two sums that share 64 bits, clipped.
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
