//go:build !cgo

package kernels

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// In tests without cgo the products are gonum's, on the same packed matrices: a reference for those in C. fx itself
// needs cgo.

const native = false

func panel[T Real]() int { return 64 }

func pack[T Real](to, b []T, pitch, k, columns int, transposed bool) {
	const panel = 64
	for from := 0; from < columns; from += panel {
		width := min(panel, columns-from)
		part := to[from*k : (from+panel)*k]
		for i := range k {
			row := part[i*panel : (i+1)*panel]
			clear(row[width:])
			for j := range width {
				if transposed {
					row[j] = b[(from+j)*pitch+i]
				} else {
					row[j] = b[i*pitch+from+j]
				}
			}
		}
	}
}

func multiply[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, columns int, add bool) {
	const panel = 64
	for from := 0; from < columns; from += panel {
		gemm(blas.NoTrans, rows, min(panel, columns-from), k, a, aPitch, b[from*k:], panel, c[from:], cPitch, add)
	}
}

func dots[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, bPitch, columns int) {
	gemm(blas.Trans, rows, columns, k, a, aPitch, b, bPitch, c, cPitch, false)
}

func addProduct[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, bPitch, columns int) {
	gemm(blas.NoTrans, rows, columns, k, a, aPitch, b, bPitch, c, cPitch, true)
}

func gemm[T Real](transposeB blas.Transpose, m, n, k int, a []T, aPitch int, b []T, bPitch int, c []T, cPitch int,
	add bool) {
	var beta T
	if add {
		beta = 1
	}
	switch a := any(a).(type) {
	case []float32:
		gonum.Implementation{}.Sgemm(blas.NoTrans, transposeB, m, n, k, 1, a, aPitch, any(b).([]float32), bPitch,
			float32(beta), any(c).([]float32), cPitch)
	case []float64:
		gonum.Implementation{}.Dgemm(blas.NoTrans, transposeB, m, n, k, 1, a, aPitch, any(b).([]float64), bPitch,
			float64(beta), any(c).([]float64), cPitch)
	}
}

func softmax(z []float32, pitch, classes int, labels []int32, weights []float32, losses []float64) (hits int) {
	for i, label := range labels {
		row := z[i*pitch : i*pitch+classes]
		largest, hit, own := float32(math.Inf(-1)), 0, row[label]
		for c, v := range row {
			if v > largest {
				largest = v
				hit = c
			}
		}
		if hit == int(label) {
			hits++
		}
		var sum float64
		for c, v := range row {
			e := math.Exp(float64(v - largest))
			sum += e
			row[c] = float32(e)
		}
		scale := weights[i] / float32(sum)
		for c := range row {
			row[c] *= scale
		}
		row[label] -= weights[i]
		losses[i] = math.Log(sum) + float64(largest) - float64(own)
	}
	return hits
}

func softmaxColumns(z []float32, pitch, classes int, labels []int32, weights []float32, losses []float64) (hits int) {
	row := make([]float32, classes)
	for i := range labels {
		Transpose(row, classes, z[i:], pitch, classes, 1)
		hits += softmax(row, classes, classes, labels[i:i+1], weights[i:], losses[i:])
		Transpose(z[i:], pitch, row, classes, 1, classes)
	}
	return hits
}

func headStep(w, v []float32, rows int, a []float32, aPitch, k int, b []float32, columns int, rate, momentum,
	decay float32) {
	const panel = 64
	gradient := make([]float32, rows*panel)
	for from := 0; from < columns; from += panel {
		width := min(panel, columns-from)
		multiply(gradient, panel, a, aPitch, rows, k, b[from*k:], width, false)
		for i := range rows {
			at := i*columns + from
			weight, moved := w[at:at+width], v[at:at+width]
			for j, g := range gradient[i*panel : i*panel+width] {
				m := momentum*moved[j] + (g + decay*weight[j])
				moved[j] = m
				weight[j] -= rate * m
			}
		}
	}
}
