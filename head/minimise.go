package head

import (
	"context"

	"gonum.org/v1/gonum/floats"
)

// convexFunction is a smooth convex function to minimise.
type convexFunction interface {
	// at returns the value at x and writes the gradient to grad.
	at(ctx context.Context, x, grad []float64) (float64, error)
	// precondition replaces a gradient by its product with a fixed positive definite
	// matrix that approximates a multiple of H⁻¹, H being the Hessian, and reports
	// whether that multiple is about 1.
	precondition(v []float64) (scaled bool)
	// noise returns the part of the value that rounding may change.
	noise() float64
}

const (
	memory = 10 // pairs of steps and changes of the gradient that L-BFGS keeps, as scikit-learn's
	// A line search accepts a slope between steepness and -steepness times the first
	// one, and a value that satisfies Armijo's rule with decrease (Nocedal and
	// Wright, Numerical Optimization, 3.1).
	steepness = 0.9
	decrease  = 1e-4
	maxSearch = 20 // points that a line search evaluates
)

// minimiser is L-BFGS (Nocedal and Wright, algorithm 7.4), whose first matrix may be
// a preconditioner instead of a multiple of I.
type minimiser struct {
	of        convexFunction
	tolerance float64 // run's

	x, grad []float64
	value   float64
	length  float64 // of the last step, in directions; 0 before the first

	steps, changes [][]float64 // the oldest first
	inverse        []float64   // 1 / (step · change)
	direction      []float64
	x2, grad2      []float64 // the point that a line search looks at
}

func newMinimiser(of convexFunction, start []float64) *minimiser {
	n := len(start)
	return &minimiser{
		of: of, x: start, grad: make([]float64, n),
		direction: make([]float64, n), x2: make([]float64, n), grad2: make([]float64, n),
	}
}

// run iterates until no derivative is above the tolerance, a line search finds no
// better point, or the iterations are used up. It calls after after each iteration. A
// second run keeps the pairs of the first.
func (m *minimiser) run(ctx context.Context, tolerance float64, iterations int,
	after func() error) (converged bool, err error) {
	m.tolerance = tolerance
	if m.value, err = m.of.at(ctx, m.x, m.grad); err != nil {
		return false, err
	}
	for range iterations {
		if norm(m.grad) <= m.tolerance {
			return true, nil
		}
		moved, err := m.step(ctx)
		if err != nil {
			return false, err
		}
		if !moved && len(m.steps) > 0 { // the stored pairs may mislead: try again without them
			m.steps, m.changes, m.inverse, m.length = nil, nil, nil, 0
			moved, err = m.step(ctx)
			if err != nil {
				return false, err
			}
		}
		if !moved {
			return false, nil
		}
		if err := after(); err != nil {
			return false, err
		}
	}
	return norm(m.grad) <= m.tolerance, nil
}

// step searches along L-BFGS's direction and reports whether it found a better point.
func (m *minimiser) step(ctx context.Context) (bool, error) {
	length := m.setDirection()
	slope := dot(m.direction, m.grad)
	if !(slope < 0) {
		return false, nil
	}
	value, found, err := m.search(ctx, length, slope)
	if err != nil || !found {
		return false, err
	}
	m.remember()
	m.x, m.x2 = m.x2, m.x
	m.grad, m.grad2 = m.grad2, m.grad
	m.value = value
	return true, nil
}

// setDirection sets the direction by the two-loop recursion and returns the first step
// to try: 1, or twice the last step if that was short. Far from the optimum the
// preconditioner is wrong by the same factor for a while, and each step that is too long
// costs an evaluation.
func (m *minimiser) setDirection() float64 {
	d := m.direction
	each(len(d), func(from, to int) {
		for i := from; i < to; i++ {
			d[i] = -m.grad[i]
		}
	})
	last := len(m.steps) - 1
	alpha := make([]float64, last+1)
	for i := last; i >= 0; i-- {
		alpha[i] = m.inverse[i] * dot(m.steps[i], d)
		addScaled(d, -alpha[i], m.changes[i])
	}
	scaled := m.of.precondition(d)
	if last >= 0 {
		scale := m.scale()
		each(len(d), func(from, to int) { floats.Scale(scale, d[from:to]) })
	}
	for i := range alpha {
		beta := m.inverse[i] * dot(m.changes[i], d)
		addScaled(d, alpha[i]-beta, m.steps[i])
	}
	switch {
	case scaled && m.length > 0:
		return min(1, 2*m.length)
	case scaled || last >= 0:
		return 1
	}
	return 1 / max(1, floats.Norm(d, 1)) // of the order of scipy's first step
}

// scale returns the factor that makes the first matrix agree with the last change of the gradient
// (Nocedal and Wright, 7.20, with the preconditioner as the unit of length).
func (m *minimiser) scale() float64 {
	last := len(m.steps) - 1
	y := m.grad2 // unused between searches
	copy(y, m.changes[last])
	m.of.precondition(y)
	return 1 / (m.inverse[last] * dot(m.changes[last], y))
}

// remember stores the step to x2 and the change of the gradient.
func (m *minimiser) remember() {
	var s, y []float64
	if len(m.steps) == memory { // replace the oldest pair
		s, y = m.steps[0], m.changes[0]
		m.steps, m.changes, m.inverse = m.steps[1:], m.changes[1:], m.inverse[1:]
	} else {
		s, y = make([]float64, len(m.x)), make([]float64, len(m.x))
	}
	each(len(s), func(from, to int) {
		for i := from; i < to; i++ {
			s[i], y[i] = m.x2[i]-m.x[i], m.grad2[i]-m.grad[i]
		}
	})
	if along := dot(s, y); along > 0 { // always true except for rounding: the function is convex
		m.steps, m.changes, m.inverse = append(m.steps, s), append(m.changes, y), append(m.inverse, 1/along)
	}
}

// search searches along the direction for a point that is low and flat enough and sets
// x2 and grad2 to it. The slope of a convex function only rises along a line, so that a
// secant between two slopes finds its zero.
func (m *minimiser) search(ctx context.Context, length, slope float64) (value float64, found bool, err error) {
	low, lowSlope := 0.0, slope // the farthest point known to be before the minimum
	high, highSlope := 0.0, 0.0 // the nearest point after it, 0 for none
	for range maxSearch {
		each(len(m.x), func(from, to int) {
			for i := from; i < to; i++ {
				m.x2[i] = m.x[i] + length*m.direction[i]
			}
		})
		if value, err = m.of.at(ctx, m.x2, m.grad2); err != nil {
			return 0, false, err
		}
		here := dot(m.direction, m.grad2)
		lowEnough := value <= m.value+decrease*length*slope+m.of.noise()
		switch {
		case lowEnough && here >= steepness*slope && here <= -steepness*slope || norm(m.grad2) <= m.tolerance:
			m.length = length
			return value, true, nil
		case here < 0 && lowEnough:
			low, lowSlope = length, here
		default:
			high, highSlope = length, here
		}
		length = between(low, lowSlope, high, highSlope)
		if high > 0 && high-low <= 1e-12*high {
			break
		}
	}
	return 0, false, nil
}

// between returns the next point to evaluate: the zero of the secant, away from the ends,
// or, if there is no high point yet, that of the secant from 0, at most ten times as far.
func between(low, lowSlope, high, highSlope float64) float64 {
	if high == 0 {
		return 4 * low
	}
	at := low + (high-low)/2
	if highSlope > 0 {
		at = low - lowSlope*(high-low)/(highSlope-lowSlope)
	}
	return min(max(at, low+(high-low)/10), high-(high-low)/10)
}

// piece is the number of a vector's values that one goroutine takes at a time.
const piece = 1 << 15

// each calls do for every piece of a vector.
func each(n int, do func(from, to int)) {
	pieces := (n + piece - 1) / piece
	parallel(workersFor(pieces), pieces, func(_, i int) { do(i*piece, min((i+1)*piece, n)) })
}

// dot returns the inner product, computed piece by piece.
func dot(a, b []float64) float64 {
	if len(a) <= piece { // avoids allocations, which dominate for small heads
		return floats.Dot(a, b)
	}
	sums := make([]float64, (len(a)+piece-1)/piece)
	each(len(a), func(from, to int) { sums[from/piece] = floats.Dot(a[from:to], b[from:to]) })
	return floats.Sum(sums)
}

// addScaled adds alpha·v to sum.
func addScaled(sum []float64, alpha float64, v []float64) {
	if len(sum) <= piece {
		floats.AddScaled(sum, alpha, v)
		return
	}
	each(len(sum), func(from, to int) { floats.AddScaled(sum[from:to], alpha, v[from:to]) })
}
