package head

import "gonum.org/v1/gonum/floats"

// centring is the preconditioner for small sets: L-BFGS gets the gradient of centred
// features. Features after a ReLU have a large mean, and a step along it acts like a step
// of the bias. Separating the two takes half of all iterations on such features
// (bench/headfit). Centring does not change the optimum.
type centring struct {
	layout Layout
	mean   []float64
}

// apply multiplies the gradient v = (weight, bias) by C·Cᵀ, where C maps weights and
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
