package head

import (
	"math"

	"fx/internal/kernels"
)

// choleskyBlock is the order up to which plain loops are used.
const choleskyBlock = 64

// square is a piece of a square matrix: order rows and columns of values, whose
// rows are pitch apart.
type square struct {
	values       []float32
	order, pitch int
}

func (s square) at(row, column, order int) square {
	return square{s.values[row*s.pitch+column:], order, s.pitch}
}

// factor replaces the lower triangle of a, which is symmetric, by Cholesky's
// factor L, a = L·Lᵀ, and writes L⁻¹ to the lower triangle of inverse, which is
// zero before. It halves the matrices recursively, so that nearly all the work is in
// products. It reports whether a is positive definite.
func factor(a, inverse square) bool {
	n := a.order
	if n <= choleskyBlock {
		return factorBlock(a, inverse)
	}
	half := (n/2 + choleskyBlock - 1) / choleskyBlock * choleskyBlock
	rest := n - half
	a11, a21, a22 := a.at(0, 0, half), a.at(half, 0, rest), a.at(half, half, rest)
	i11, i21, i22 := inverse.at(0, 0, half), inverse.at(half, 0, rest), inverse.at(half, half, rest)
	if !factor(a11, i11) {
		return false
	}
	// L21 = A21·L11⁻ᵀ; A22 -= L21·L21ᵀ
	l21 := make([]float32, rest*half)
	product(l21, half, a21.values, a21.pitch, rest, half, i11.values, i11.pitch, half, true, false)
	negative := make([]float32, rest*half)
	for i := range rest {
		copy(a21.values[i*a21.pitch:], l21[i*half:(i+1)*half])
	}
	for i, v := range l21 {
		negative[i] = -v
	}
	product(a22.values, a22.pitch, negative, half, rest, half, l21, half, rest, true, true)
	if !factor(a22, i22) {
		return false
	}
	// the inverse's corner is -L22⁻¹·L21·L11⁻¹
	between := make([]float32, rest*half)
	product(between, half, negative, half, rest, half, i11.values, i11.pitch, half, false, false)
	product(i21.values, i21.pitch, i22.values, i22.pitch, rest, rest, between, half, half, false, false)
	return true
}

// factorBlock is factor with plain loops, in float64.
func factorBlock(a, inverse square) bool {
	n := a.order
	var l, inv [choleskyBlock * choleskyBlock]float64
	for i := range n {
		for j := 0; j <= i; j++ {
			sum := float64(a.values[i*a.pitch+j])
			for k := range j {
				sum -= l[i*n+k] * l[j*n+k]
			}
			if i != j {
				l[i*n+j] = sum / l[j*n+j]
				continue
			}
			if !(sum > 0) || math.IsInf(sum, 0) {
				return false
			}
			l[i*n+i] = math.Sqrt(sum)
		}
	}
	for j := range n {
		inv[j*n+j] = 1 / l[j*n+j]
		for i := j + 1; i < n; i++ {
			var sum float64
			for k := j; k < i; k++ {
				sum -= l[i*n+k] * inv[k*n+j]
			}
			inv[i*n+j] = sum / l[i*n+i]
		}
	}
	for i := range n {
		for j := 0; j <= i; j++ {
			a.values[i*a.pitch+j], inverse.values[i*inverse.pitch+j] = float32(l[i*n+j]), float32(inv[i*n+j])
		}
	}
	return true
}

// product computes c = or += a·b or a·bᵀ, divided among goroutines by rows.
func product(c []float32, cPitch int, a []float32, aPitch, rows, k int, b []float32, bPitch, columns int, transposed,
	add bool) {
	var p kernels.Packed[float32]
	if transposed {
		p.PackTransposed(b, bPitch, k, columns)
	} else {
		p.Pack(b, bPitch, k, columns)
	}
	multiplyRows(c, cPitch, a, aPitch, rows, p, add)
}

// multiplyRows is kernels.Multiply, divided among goroutines by rows.
func multiplyRows(c []float32, cPitch int, a []float32, aPitch, rows int, b kernels.Packed[float32], add bool) {
	const piece = 48
	tasks := (rows + piece - 1) / piece
	workers := workersFor(tasks)
	if rows*b.Rows*b.Columns < worthTwo {
		workers = 1
	}
	parallel(workers, tasks, func(_, i int) {
		first := i * piece
		kernels.Multiply(c[first*cPitch:], cPitch, a[first*aPitch:], aPitch, min(piece, rows-first), b, add)
	})
}
