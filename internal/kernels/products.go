package kernels

import "unsafe"

// Real is the element type of a product.
type Real interface{ float32 | float64 }

func size[T Real]() uintptr { var v T; return unsafe.Sizeof(v) }

// Packed is a matrix [rows, columns] packed for the right side of products, in panels of columns.
type Packed[T Real] struct {
	Rows, Columns int
	values        []T
}

// Panel returns the number of columns in a panel of a Packed. Goroutines should divide work at its multiples.
func Panel[T Real]() int { return panel[T]() }

// Pack packs b [rows, columns], whose rows are pitch values apart. It reuses the memory of p if that suffices.
func (p *Packed[T]) Pack(b []T, pitch, rows, columns int) {
	p.resize(rows, columns)
	if rows > 0 && columns > 0 {
		_ = b[(rows-1)*pitch+columns-1]
		pack(p.values, b, pitch, rows, columns, false)
	}
}

// PackTransposed packs the transpose of b [columns, rows].
func (p *Packed[T]) PackTransposed(b []T, pitch, rows, columns int) {
	p.resize(rows, columns)
	if rows > 0 && columns > 0 {
		_ = b[(columns-1)*pitch+rows-1]
		pack(p.values, b, pitch, rows, columns, true)
	}
}

func (p *Packed[T]) resize(rows, columns int) {
	p.Rows, p.Columns = rows, columns
	width := panel[T]()
	need := (columns + width - 1) / width * width * rows
	if cap(p.values) < need {
		p.values = make([]T, need)
	}
	p.values = p.values[:need]
}

// Multiply computes c = a·b, or c += a·b if add is set, for row-major a [rows, b.Rows] and c [rows, b.Columns], whose
// rows are aPitch and cPitch values apart. The bits of a value of c do not depend on the other rows and columns. It
// uses one thread; other goroutines may multiply by the same b meanwhile.
func Multiply[T Real](c []T, cPitch int, a []T, aPitch, rows int, b Packed[T], add bool) {
	if rows == 0 || b.Columns == 0 {
		return
	}
	_, _ = c[(rows-1)*cPitch+b.Columns-1], b.values[:b.Rows*b.Columns]
	if b.Rows > 0 {
		_ = a[(rows-1)*aPitch+b.Rows-1]
	}
	multiply(c, cPitch, a, aPitch, rows, b.Rows, b.values, b.Columns, add)
}

// MultiplyTransposed computes c = a·bᵀ for a [rows, k], b [columns, k], c [rows,
// columns] without packing: for products with few rows or columns.
func MultiplyTransposed[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, bPitch, columns int) {
	if rows == 0 || columns == 0 {
		return
	}
	_ = c[(rows-1)*cPitch+columns-1]
	if k > 0 {
		_, _ = a[(rows-1)*aPitch+k-1], b[(columns-1)*bPitch+k-1]
	}
	dots(c, cPitch, a, aPitch, rows, k, b, bPitch, columns)
}

// AddProduct computes c += a·b for a [rows, k], b [k, columns], c [rows, columns]
// without packing: for products with few rows.
func AddProduct[T Real](c []T, cPitch int, a []T, aPitch, rows, k int, b []T, bPitch, columns int) {
	if rows == 0 || columns == 0 || k == 0 {
		return
	}
	_, _, _ = c[(rows-1)*cPitch+columns-1], a[(rows-1)*aPitch+k-1], b[(k-1)*bPitch+columns-1]
	addProduct(c, cPitch, a, aPitch, rows, k, b, bPitch, columns)
}

// Lanes is the number whose multiple the pitch of a row of logits must be.
const Lanes = 16

// Softmax replaces each row of logits z [len(labels), classes], whose rows are pitch values apart, a multiple of
// Lanes, with the gradient weight·(probability - 1 at the label) of the cross entropy, which it writes to losses. It
// returns how many labels have the largest logit of their row, at ties the first.
func Softmax(z []float32, pitch, classes int, labels []int32, weights []float32, losses []float64) (hits int) {
	if len(labels) == 0 {
		return 0
	}
	_, _, _ = z[:len(labels)*pitch], weights[:len(labels)], losses[:len(labels)]
	for _, label := range labels {
		_ = z[:classes][label]
	}
	return softmax(z, pitch, classes, labels, weights, losses)
}

// SoftmaxColumns is Softmax of logits z [classes, len(labels)], with a row per class. It is faster for few classes.
func SoftmaxColumns(z []float32, pitch, classes int, labels []int32, weights []float32, losses []float64) (hits int) {
	if len(labels) == 0 {
		return 0
	}
	_, _, _ = z[(classes-1)*pitch+len(labels)-1], weights[:len(labels)], losses[:len(labels)]
	return softmaxColumns(z, pitch, classes, labels, weights, losses)
}

// HeadStep is one step of torch.optim.SGD (dampening 0) on weights w and momenta v
// [rows, b.Columns] whose gradient is a·b, a [rows, b.Rows]: the gradient is
// never written to memory.
func HeadStep(w, v []float32, rows int, a []float32, aPitch int, b Packed[float32], rate, momentum, decay float32) {
	if rows == 0 || b.Columns == 0 || b.Rows == 0 {
		return
	}
	_, _, _ = w[:rows*b.Columns], v[:rows*b.Columns], a[(rows-1)*aPitch+b.Rows-1]
	headStep(w, v, rows, a, aPitch, b.Rows, b.values, b.Columns, rate, momentum, decay)
}

// Transpose writes the transpose of from [rows, columns] to to [columns, rows].
func Transpose[T Real](to []T, toPitch int, from []T, fromPitch, rows, columns int) {
	if rows == 0 || columns == 0 {
		return
	}
	_, _ = to[(columns-1)*toPitch+rows-1], from[(rows-1)*fromPitch+columns-1]
	const tile = 16 // rows and columns that fit in as many lines of the first-level cache
	for i := 0; i < rows; i += tile {
		for j := 0; j < columns; j += tile {
			for r := i; r < min(i+tile, rows); r++ {
				for c, v := range from[r*fromPitch+j : r*fromPitch+min(j+tile, columns)] {
					to[(j+c)*toPitch+r] = v
				}
			}
		}
	}
}
