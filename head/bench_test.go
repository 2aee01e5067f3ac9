package head

import (
	"testing"

	"fx/internal/progress"
)

// The choice of a penalty in a quickstart on the tutorial's photos.
func BenchmarkCrossValidate(b *testing.B) {
	l := Layout{Kind: Linear, Features: 1280, Positions: 1, Classes: 2}
	d := correlatedData(l, 244)
	for b.Loop() {
		if _, err := CrossValidate(b.Context(), l, d, CrossValidationOptions{}, progress.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// 400×512×2 to a tight tolerance.
func BenchmarkSmallLBFGS(b *testing.B) {
	l := Layout{Kind: Linear, Features: 512, Positions: 1, Classes: 2}
	d := correlatedData(l, 400)
	for b.Loop() {
		if _, err := Fit(b.Context(), l, d, Data{}, Options{Solver: LBFGS, Tolerance: 1e-6}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
