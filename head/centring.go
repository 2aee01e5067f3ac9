package head

import "gonum.org/v1/gonum/floats"

// centring has L-BFGS see biases as if features had a mean of 0, where no metric pays.
// Features behind a ReLU lie far from 0: a step along their mean acts as one of the
// bias, and the two must be told apart in iterations, half of all on features like
// theirs (bench/headfit). What the optimum is, centring does not touch.
type centring struct {
	layout Layout
	mean   []float64
}

// apply multiplies the gradient v = (weight, bias) by C·Cᵀ, where C takes weights and
// biases of centred features to those of the features.
func (t centring) apply(v []float64) {
	k, n := t.layout.Classes, t.layout.Features
	bias := v[k*n:]
	for c := range k {
		row := v[c*n : (c+1)*n]
		floats.AddScaled(row, -bias[c], t.mean)
		bias[c] -= floats.Dot(row, t.mean)
	}
}
