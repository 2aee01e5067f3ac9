package head

import "testing"

func BenchmarkSmallLBFGS(b *testing.B) {
	l := Layout{Kind: Linear, Features: 512, Positions: 1, Classes: 2}
	d := correlatedData(l, 400)
	for b.Loop() {
		q := newRegularised(l, d, Options{Tolerance: 1e-6})
		if _, _, err := q.minimise(b.Context(), Options{Tolerance: 1e-6}, nil); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(q.evaluations), "evaluations")
	}
}
