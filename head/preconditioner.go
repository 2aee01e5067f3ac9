package head

import (
	"context"

	"gonum.org/v1/gonum/floats"

	"fx/internal/kernels"
)

// preconditioner is the initial approximation of the Hessian for L-BFGS, the same for
// every class:
//
//	M = curvature·Cov + λ·I on the weights, with the bias taken at the features' mean
//
// At weights of 0 the Hessian is exactly (1/K)(I - 11ᵀ/K) ⊗ Cov(x) + λ (Böhning,
// "Multinomial logistic regression algorithm", 1992, bounds it everywhere by a
// similar product). Features of networks are strongly correlated, so L-BFGS with M
// needs a quarter of the iterations (bench/headfit). M does not change the optimum.
type preconditioner struct {
	layout    Layout
	mean      []float64
	curvature float64
	// The lower triangle of L⁻¹, M = L·Lᵀ, in panels of columns that leave out the
	// zeros: forward multiplies by L⁻ᵀ, back by L⁻¹.
	forward, back []triangle
	rows, between []float32 // [classes, features]
}

// triangle is one panel of a triangular matrix: columns from at on, whose values are
// those of rows [first, first+matrix.Rows).
type triangle struct {
	at, first int
	matrix    kernels.Packed[float32]
}

// preconditionerPays reports whether the preconditioner saves more time than it costs.
// It saves most of dozens of iterations.
func preconditionerPays(l Layout, samples int) bool {
	n, rows := float64(l.Features), float64(samples)
	cost := n*n*min(covarianceRows*n, rows)/2 + n*n*n*2/3
	// with few classes, memory is the limit, not multiplications
	evaluation := 2 * rows * n * float64(max(l.Classes, 8))
	return samples >= l.Features && cost < 16*evaluation
}

// newPreconditioner factorises M. It returns nil if the features are not finite.
func newPreconditioner(ctx context.Context, l Layout, of *moments, l2 float64) (*preconditioner, error) {
	n, k := l.Features, float64(l.Classes)
	curvature := 1 / k // on weights that sum to 0 over the classes, as all points of L-BFGS do
	var trace float64
	for i := range n {
		trace += curvature * float64(of.lower[i*n+i])
	}
	if !finite(trace) {
		return nil, nil // the objective returns the error
	}
	a, inverse := make([]float32, n*n), make([]float32, n*n)
	// The smallest eigenvalue that single precision can resolve grows with the largest one,
	// which the trace bounds. A large jitter costs iterations; a small one breaks the factorisation.
	for jitter := 1e-6 * trace; ; jitter *= 100 {
		for i, v := range of.lower {
			a[i] = float32(curvature) * v
		}
		for i := range n {
			a[i*n+i] += float32(l2 + jitter)
		}
		if factor(square{a, n, n}, square{inverse, n, n}) {
			break
		}
		clear(inverse)
		if err := ctx.Err(); err != nil || !(jitter < trace) {
			return nil, err
		}
	}
	m := &preconditioner{
		layout: l, mean: of.mean, curvature: curvature,
		rows: make([]float32, l.Classes*n), between: make([]float32, l.Classes*n),
	}
	m.pack(inverse)
	return m, nil
}

func (m *preconditioner) pack(inverse []float32) {
	n := m.layout.Features
	width := kernels.Panel[float32]()
	for at := 0; at < n; at += width {
		columns := min(width, n-at)
		f, b := triangle{at: at}, triangle{at: at, first: at}
		f.matrix.PackTransposed(inverse[at*n:], n, at+columns, columns)
		b.matrix.Pack(inverse[at*n+at:], n, n-at, columns)
		m.forward, m.back = append(m.forward, f), append(m.back, b)
	}
}

// apply replaces the gradient v = (weight, bias) by M⁻¹·v.
func (m *preconditioner) apply(v []float64) {
	k, n := m.layout.Classes, m.layout.Features
	bias := v[k*n:]
	for c := range k {
		row := v[c*n : (c+1)*n]
		for j, mean := range m.mean {
			m.rows[c*n+j] = float32(row[j] - bias[c]*mean)
		}
	}
	m.multiply(m.between, m.rows, m.forward)
	m.multiply(m.rows, m.between, m.back)
	for c := range k {
		row := v[c*n : (c+1)*n]
		convert(row, m.rows[c*n:(c+1)*n])
		bias[c] = bias[c]/m.curvature - floats.Dot(row, m.mean)
	}
}

func (m *preconditioner) multiply(to, from []float32, panels []triangle) {
	k, n := m.layout.Classes, m.layout.Features
	workers := workersFor(len(panels))
	if k*n*n < worthTwo {
		workers = 1
	}
	parallel(workers, len(panels), func(_, i int) {
		t := panels[i]
		kernels.Multiply(to[t.at:], n, from[t.first:], n, k, t.matrix, false)
	})
}
