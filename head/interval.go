package head

import "math"

// Wilson returns the 95 % score interval for a proportion with right successes in n
// trials (Wilson 1927; recommended for few trials by Brown, Cai and DasGupta, "Interval
// Estimation for a Binomial Proportion", 2001). For no trials it is 0 to 1.
func Wilson(right, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // 97.5th percentile of the normal distribution
	trials, share := float64(n), float64(right)/float64(n)
	scale := 1 + z*z/trials
	centre := (share + z*z/(2*trials)) / scale
	half := z / scale * math.Sqrt(share*(1-share)/trials+z*z/(4*trials*trials))
	low, high = max(0, centre-half), min(1, centre+half)
	if right == 0 { // exact, without rounding
		low = 0
	}
	if right == n {
		high = 1
	}
	return low, high
}
