package stats

import "slices"

// Median of values, of which there is one at least.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Summary is the median of values with the least and the greatest of them.
type Summary struct{ Low, Median, High float64 }

// Summarize sums up values, of which there is one at least.
func Summarize(values []float64) Summary {
	return Summary{slices.Min(values), Median(values), slices.Max(values)}
}

// Ratios are of the values of two sides in the rounds that both have.
func Ratios(of, over map[int]float64) []float64 {
	var ratios []float64
	for round, value := range of {
		if other, both := over[round]; both && other != 0 {
			ratios = append(ratios, value/other)
		}
	}
	return ratios
}
