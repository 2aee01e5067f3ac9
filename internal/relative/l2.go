package relative

import "math"

// L2 returns ‖got - want‖₂ / ‖want‖₂: 0 if they are equal, infinite if only want is all zeros, NaN if either holds a
// NaN or their lengths differ.
func L2[A, B float32 | float64](got []A, want []B) float64 {
	if len(got) != len(want) {
		return math.NaN()
	}
	var difference, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		difference += d * d
		norm += float64(w) * float64(w)
	}
	if difference == 0 {
		return 0
	}
	return math.Sqrt(difference / norm)
}
