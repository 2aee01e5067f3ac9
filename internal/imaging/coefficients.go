package imaging

import (
	"math"

	"fx/internal/preprocess"
)

// A filter is one of Pillow's resampling kernels: its weight at a distance from the centre, and the distance from
// which that weight is 0. Distances are in pixels of the smaller of the two sizes.
type filter struct {
	support float64
	weight  func(x float64) float64
}

var (
	bilinear = filter{support: 1, weight: triangle}
	bicubic  = filter{support: 2, weight: keys}
)

// filterOf returns the filter of a name that Spec.Check accepts.
func filterOf(name preprocess.Interpolation) filter {
	if name == preprocess.Bicubic {
		return bicubic
	}
	return bilinear
}

func triangle(x float64) float64 {
	return max(0, 1-math.Abs(x))
}

// keys is the cubic convolution kernel with a = -0.5: R. Keys, "Cubic
// convolution interpolation for digital image processing", 1981. The order of
// operations and the explicit conversions, which forbid a fused multiply-add,
// keep every weight equal to Pillow's.
func keys(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64(float64(float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return (float64(float64(float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

// precision is the number of fractional bits of a coefficient: of the 32 bits of an int Pillow reserves 8 for the
// value and 2 against overflow.
const precision = 32 - 8 - 2

// axis is the requested part of a resized side: count pixels from first, of size.
type axis struct{ size, first, count int }

// kernel holds the fixed-point coefficients of a resize of one side: output pixel i is the sum of coef[i*taps+t] *
// input pixel start[i]+t over t < taps. All pixels have the same number of taps, which keeps the loops simple;
// unneeded coefficients are 0.
type kernel struct {
	taps  int
	start []int32
	coef  []int32
}

// set computes the coefficients for resizing a side of in pixels to a.size, for the pixels of a, and reuses k's
// memory. It follows Pillow's precompute_coeffs and normalize_coeffs_8bpc operation by operation.
func (k *kernel) set(in int, a axis, f filter) {
	scale := float64(in) / float64(a.size)
	filterScale := max(scale, 1)
	support := f.support * filterScale
	inverse := 1 / filterScale
	reach := func(i int) (centre float64, low, high int) {
		centre = float64((float64(a.first+i) + 0.5) * scale)
		return centre, max(int(centre-support+0.5), 0), min(int(centre+support+0.5), in)
	}
	k.taps = 0
	for i := range a.count {
		_, low, high := reach(i)
		k.taps = max(k.taps, high-low)
	}
	k.start = resize(k.start, a.count)
	k.coef = resize(k.coef, a.count*k.taps)
	clear(k.coef)

	var few [32]float64
	weights := few[:]
	if k.taps > len(weights) {
		weights = make([]float64, k.taps)
	}
	for i := range a.count {
		centre, low, high := reach(i)
		sum := 0.0
		for t := range high - low {
			w := f.weight(float64((float64(t+low) - centre + 0.5) * inverse))
			weights[t] = w
			sum += w
		}
		start := min(low, in-k.taps)
		k.start[i] = int32(start)
		row := k.coef[i*k.taps:][low-start : high-start]
		for t := range row {
			w := weights[t]
			if sum != 0 {
				w /= sum
			}
			w = float64(w * (1 << precision))
			if w < 0 {
				row[t] = int32(w - 0.5)
			} else {
				row[t] = int32(w + 0.5)
			}
		}
	}
}

// span returns the first input pixel that k reads and the one after the last.
func (k *kernel) span() (first, end int) {
	return int(k.start[0]), int(k.start[len(k.start)-1]) + k.taps
}

// resize returns a slice of length n, in s's memory if that is large enough.
func resize(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	return s[:n]
}
