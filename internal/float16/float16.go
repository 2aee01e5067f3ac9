package float16

import "math"

// Max is the largest finite float16.
const Max = 65504

// Bits rounds v to the nearest IEEE 754 binary16, ties to even, as numpy and torch do; values too large become
// infinite. arrow-go's conversion truncates and flushes subnormals, so it is not used.
func Bits(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00
	case b >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: subnormal, a multiple of 2^-24
		// Adding 0.5 leaves the multiple of 2^-24 in the low bits, rounded by the FPU.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	b += 0xfff + b>>13&1 // round half to even on the 13 bits that go
	return sign | uint16(b>>13-(127-15)<<10)
}

// Float32 widens a binary16; every one has an exact float32.
func Float32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero and subnormals: fraction × 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
