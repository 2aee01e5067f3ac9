package head

import (
	"math"

	"fx/internal/random"
)

// dropout chooses the values that a training step keeps.
type dropout struct {
	// fill sets bit i%64 of bits[i/64] if value i of the sample's row is kept.
	fill  func(s sample, bits []uint64)
	scale float64 // 1 / probability of being kept; factor of the kept values
}

// newDropout returns torch's dropout with probability p for one epoch, keyed by
// (seed, epoch, photo), or nil if p is 0. If p is 1/2, one random bit decides on a value,
// else sixteen: then p is rounded to a multiple of 2⁻¹⁶, and scale is that of the rounded
// p.
func newDropout(p float64, seed uint64, epoch int) *dropout {
	threshold := uint32(math.Round(p * (1 << 16))) // random numbers below it drop a value
	if threshold == 0 {
		return nil
	}
	threshold = min(threshold, 1<<16-1)
	fill := fillSixteenth
	if threshold == 1<<15 {
		fill = fillHalf
	}
	return &dropout{
		fill: func(s sample, bits []uint64) {
			fill(random.New(seed, "head dropout", uint64(epoch), uint64(s.photo)), bits, threshold)
		},
		scale: 1 / (1 - float64(threshold)/(1<<16)),
	}
}

func fillHalf(r *random.Stream, bits []uint64, _ uint32) {
	for i := range bits {
		bits[i] = r.Uint64()
	}
}

func fillSixteenth(r *random.Stream, bits []uint64, threshold uint32) {
	for i := range bits {
		var word uint64
		for j := 0; j < 64; j += 2 {
			v := r.Uint32()
			low, high := uint64(0), uint64(0)
			if v&0xffff >= threshold {
				low = 1
			}
			if v>>16 >= threshold {
				high = 2
			}
			word |= (low | high) << j
		}
		bits[i] = word
	}
}

// nibbles are the masks of four values, indexed by their four bits.
var nibbles = func() (masks [16][4]uint32) {
	for bits := range masks {
		for j := range 4 {
			masks[bits][j] = -uint32(bits >> j & 1)
		}
	}
	return masks
}()

// applyMask writes the values of src whose bit is set, and 0 for the others.
// Looking masks up takes half the time of shifting each bit into place.
func applyMask(dst, src []float32, bits []uint64) {
	dst = dst[:len(src)]
	for len(src) >= 64 {
		from, to, word := (*[64]float32)(src), (*[64]float32)(dst), bits[0]
		for j := 0; j < 64; j += 4 {
			f, t, mask := (*[4]float32)(from[j:]), (*[4]float32)(to[j:]), &nibbles[word&15]
			t[0] = math.Float32frombits(math.Float32bits(f[0]) & mask[0])
			t[1] = math.Float32frombits(math.Float32bits(f[1]) & mask[1])
			t[2] = math.Float32frombits(math.Float32bits(f[2]) & mask[2])
			t[3] = math.Float32frombits(math.Float32bits(f[3]) & mask[3])
			word >>= 4
		}
		bits, src, dst = bits[1:], src[64:], dst[64:]
	}
	for j, v := range src {
		dst[j] = math.Float32frombits(math.Float32bits(v) & -uint32(bits[0]>>j&1))
	}
}
