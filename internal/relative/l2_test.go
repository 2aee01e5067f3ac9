package relative

import (
	"fmt"
	"math"
	"testing"
)

func TestL2(t *testing.T) {
	for _, c := range []struct {
		got, want []float32
		distance  float64
	}{
		{[]float32{3, 4}, []float32{3, 4}, 0}, {[]float32{0, 0}, []float32{0, 0}, 0},
		{[]float32{3, 4.5}, []float32{3, 4}, 0.1}, {[]float32{1}, []float32{0}, math.Inf(1)},
	} {
		if got := L2(c.got, c.want); got != c.distance {
			t.Errorf("L2(%v, %v) = %v, want %v", c.got, c.want, got, c.distance)
		}
	}
	if !math.IsNaN(L2([]float32{1}, []float32{1, 2})) || !math.IsNaN(L2([]float32{float32(math.NaN())}, []float32{1})) {
		t.Error("other lengths, or NaN, are no distance")
	}
}

func ExampleL2() {
	fmt.Printf("%.2f\n", L2([]float32{3, 4.5}, []float64{3, 4}))
	// Output: 0.10
}
