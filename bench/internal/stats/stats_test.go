package stats

import (
	"fmt"
	"slices"
	"testing"
)

// The second round was slow for both, and says the same as the others.
func ExampleRatios() {
	fx, peer := map[int]float64{1: 100, 2: 50, 3: 104}, map[int]float64{1: 50, 2: 25, 3: 50}
	fmt.Println(Summarize(Ratios(fx, peer)))
	// Output: {2 2 2.08}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{7, 1, 2}, 2}, {[]float64{4, 1, 3, 100}, 3.5},
		{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		before := slices.Clone(c.values)
		if got := Median(c.values); got != c.want {
			t.Errorf("%v: %g, want %g", c.values, got, c.want)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("%v was reordered to %v", before, c.values)
		}
	}
}

func TestRatiosNeedBothSides(t *testing.T) {
	got := Ratios(map[int]float64{1: 6, 2: 5, 4: 1}, map[int]float64{1: 2, 3: 7, 4: 0})
	if !slices.Equal(got, []float64{3}) {
		t.Errorf("%v", got)
	}
}
