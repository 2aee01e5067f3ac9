package report

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// plane is where points lie in the two directions in which they spread most.
type plane struct {
	x, y      []float64  // one for each point
	explained [2]float64 // shares of the whole variance
}

// project lays rows, all equally long, into the plane of their first two
// principal components, centred at their mean. ok is false for fewer than
// three rows or rows that do not spread in two directions. Of the two signs
// that a component may have it takes the one that makes its largest coordinate
// positive, so that the same rows always give the same picture.
//
// The coordinates are eigenvectors of the Gram matrix [rows, rows], which
// costs nothing for the few hundred points that a picture can show, however
// long their features are.
func project(rows [][]float32) (p plane, ok bool) {
	n := len(rows)
	if n < 3 || len(rows[0]) < 2 {
		return p, false
	}
	width := len(rows[0])
	centred := mat.NewDense(n, width, nil)
	for c := range width {
		mean := 0.0
		for _, row := range rows {
			mean += float64(row[c]) / float64(n)
		}
		for r, row := range rows {
			centred.Set(r, c, float64(row[c])-mean)
		}
	}
	gram := mat.NewSymDense(n, nil)
	gram.SymOuterK(1, centred)
	var eigen mat.EigenSym
	if !eigen.Factorize(gram, true) {
		return p, false
	}
	values := eigen.Values(nil) // ascending
	whole := 0.0
	for _, v := range values {
		whole += max(v, 0)
	}
	// What rounding leaves of a direction that is not there lies below this.
	if floor := 1e-12 * values[n-1]; !(whole > 0) || !(values[n-2] > floor) {
		return p, false
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	axis := func(k int) []float64 {
		scores := mat.Col(nil, k, &vectors)
		largest := 0.0
		for _, v := range scores {
			if math.Abs(v) > math.Abs(largest) {
				largest = v
			}
		}
		scale := math.Copysign(math.Sqrt(values[k]), largest)
		for i := range scores {
			scores[i] *= scale
		}
		return scores
	}
	p.x, p.y = axis(n-1), axis(n-2)
	p.explained = [2]float64{values[n-1] / whole, values[n-2] / whole}
	return p, true
}
