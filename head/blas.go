package head

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
)

// number is the arithmetic of a network: float32 for SGD and predictions as in
// torch, float64 for L-BFGS.
type number interface{ float32 | float64 }

// gemm computes c += alpha·op(a)·op(b) for dense row-major matrices, op(a)
// being m×k and op(b) k×n. gonum divides the work only by the sizes, so that
// the result has the same bits for any GOMAXPROCS.
func gemm[T number](transposeA, transposeB blas.Transpose, m, n, k int, alpha T, a, b, c []T) {
	strideA, strideB := k, n
	if transposeA == blas.Trans {
		strideA = m
	}
	if transposeB == blas.Trans {
		strideB = k
	}
	switch a := any(a).(type) {
	case []float32:
		blas32.Implementation().Sgemm(transposeA, transposeB, m, n, k, float32(alpha), a, strideA, any(b).([]float32),
			strideB, 1, any(c).([]float32), n)
	case []float64:
		blas64.Implementation().Dgemm(transposeA, transposeB, m, n, k, float64(alpha), a, strideA, any(b).([]float64),
			strideB, 1, any(c).([]float64), n)
	}
}

// vectors are the two vector products of one arithmetic.
type vectors[T number] struct {
	dot  func(x, y []T) T        // Σ x·y
	axpy func(alpha T, x, y []T) // y += alpha·x
}

func vectorsOf[T number]() vectors[T] {
	var v vectors[T]
	switch v := any(&v).(type) {
	case *vectors[float32]:
		f := blas32.Implementation()
		v.dot = func(x, y []float32) float32 { return f.Sdot(len(x), x, 1, y, 1) }
		v.axpy = func(alpha float32, x, y []float32) { f.Saxpy(len(x), alpha, x, 1, y, 1) }
	case *vectors[float64]:
		f := blas64.Implementation()
		v.dot = func(x, y []float64) float64 { return f.Ddot(len(x), x, 1, y, 1) }
		v.axpy = func(alpha float64, x, y []float64) { f.Daxpy(len(x), alpha, x, 1, y, 1) }
	}
	return v
}
