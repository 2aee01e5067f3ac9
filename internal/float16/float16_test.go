package float16

import (
	"math"
	"testing"

	"fx/internal/random"
)

func TestHalfRoundTripsEveryValue(t *testing.T) {
	for h := range 1 << 16 {
		v := Float32(uint16(h))
		if v != v {
			if back := Bits(v); back&0x7c00 != 0x7c00 || back&0x3ff == 0 {
				t.Fatalf("%#04x is NaN and came back as %#04x", h, back)
			}
		} else if back := Bits(v); back != uint16(h) {
			t.Fatalf("%#04x is %v and came back as %#04x", h, v, back)
		}
	}
}

// TestHalfIsTheNearest compares with the definition: no float16 lies nearer,
// and of two equally near the even one is taken.
func TestHalfIsTheNearest(t *testing.T) {
	s := random.New(1, "half")
	for range 200000 {
		v := math.Float32frombits(s.Uint32())
		if s.IntN(2) == 0 { // where float16 has its values
			v = float32(math.Ldexp(s.Uniform(-1, 1), s.IntN(45)-28))
		}
		if s.IntN(4) == 0 { // on a tie, or next to one
			v = math.Float32frombits(math.Float32bits(v)&^0x1fff + 0x1000 + uint32(s.IntN(3)) - 1)
		}
		h := Bits(v)
		got := float64(Float32(h))
		switch {
		case v != v:
			continue
		case math.Abs(float64(v)) >= 65520:
			if got != math.Copysign(math.Inf(1), float64(v)) {
				t.Fatalf("%v became %v", v, got)
			}
			continue
		}
		distance := math.Abs(got - float64(v))
		for _, other := range []uint16{h - 1, h + 1} {
			if other&0x7fff >= 0x7c00 || (other^h)&0x8000 != 0 {
				continue
			}
			d := math.Abs(float64(Float32(other)) - float64(v))
			if d < distance || d == distance && h&1 == 1 {
				t.Fatalf("%v (%#08x) became %#04x = %v, but %#04x = %v", v, math.Float32bits(v), h, got, other,
					Float32(other))
			}
		}
	}
}
