package metrics

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Stats summarise a value over runs that differ only in their seed.
type Stats struct {
	Mean, SD  float64 // SD is the sample's, of N-1; 0 if N is 1
	Low, High float64
	N         int
}

// Over returns the Stats of values, zero if there are none.
func Over(values []float64) Stats {
	if len(values) == 0 {
		return Stats{}
	}
	s := Stats{Low: slices.Min(values), High: slices.Max(values), N: len(values)}
	s.Mean, s.SD = stat.MeanStdDev(values, nil)
	if s.N == 1 {
		s.SD = 0 // it would be NaN
	}
	return s
}
