package stats

import "slices"

// Median returns the median of values, which must not be empty.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Summary is the minimum, median and maximum of values.
type Summary struct{ Low, Median, High float64 }

// Summarize returns the Summary of values, which must not be empty.
func Summarize(values []float64) Summary {
	return Summary{slices.Min(values), Median(values), slices.Max(values)}
}

// Ratios returns the ratios of the values of two sides in the rounds that both have.
func Ratios(of, over map[int]float64) []float64 {
	var ratios []float64
	for round, value := range of {
		if other, both := over[round]; both && other != 0 {
			ratios = append(ratios, value/other)
		}
	}
	return ratios
}
