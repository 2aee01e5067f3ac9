package autodiff

import (
	"slices"

	"fx/internal/onnx"
)

// Matrix products.
var matmulRules = map[string]rule{
	"MatMul": {backward: matmulGradient},
	"Gemm":   {backward: gemmGradient},
	"Einsum": {backward: einsumGradient},
}

// matmulGradient: dA = dY·Bᵀ, dB = Aᵀ·dY, with numpy's rules for vectors and
// leading axes.
func matmulGradient(c *context) {
	a, b := c.in(0), c.in(1)
	as, bs := c.shape(a), c.shape(b)
	dy, ds := c.dy, c.shape(c.out(0))
	if len(as) == 1 { // a row
		a, as = c.reshape(a, 1, as[0]), []int64{1, as[0]}
		ds = slices.Insert(slices.Clone(ds), max(len(bs)-2, 0), 1)
	}
	if len(bs) == 1 { // a column
		b, bs = c.reshape(b, bs[0], 1), []int64{bs[0], 1}
		ds = append(slices.Clone(ds), 1)
	}
	dy = c.reshapeTo(dy, c.shape(c.out(0)), ds)
	m, k, n := as[len(as)-2], as[len(as)-1], bs[len(bs)-1]
	if c.needs(0) {
		full := slices.Concat(ds[:len(ds)-2], []int64{m, k})
		da := c.sumTo(c.Op("MatMul", dy, c.swapLast(b, len(bs))), full, as)
		c.give(0, c.reshapeTo(da, as, c.shape(c.in(0))))
	}
	if !c.needs(1) {
		return
	}
	if len(bs) == 2 && len(as) > 2 { // one product over all rows of A, as for a linear layer
		rows := product(as[:len(as)-1])
		db := c.With("Gemm", []string{c.reshape(a, rows, k), c.reshape(dy, rows, n)}, onnx.Int("transA", 1))
		c.give(1, c.reshapeTo(db, bs, c.shape(c.in(1))))
		return
	}
	full := slices.Concat(ds[:len(ds)-2], []int64{k, n})
	db := c.sumTo(c.Op("MatMul", c.swapLast(a, len(as)), dy), full, bs)
	c.give(1, c.reshapeTo(db, bs, c.shape(c.in(1))))
}

// swapLast transposes the matrices in the last two axes. ONNX Runtime fuses it into the
// product that follows.
func (e *Emitter) swapLast(x string, rank int) string {
	perm := axesFrom(0, rank)
	perm[rank-1], perm[rank-2] = perm[rank-2], perm[rank-1]
	return e.transpose(x, perm...)
}

func (e *Emitter) reshapeTo(x string, from, to []int64) string {
	if slices.Equal(from, to) {
		return x
	}
	return e.reshape(x, to...)
}

// gemmGradient is the gradient of α·op(A)·op(B) + β·C, where op is a transposition or
// nothing.
func gemmGradient(c *context) {
	a, b := c.in(0), c.in(1)
	transA, transB := c.integer("transA", 0), c.integer("transB", 0)
	alpha := float32(c.float("alpha", 1))
	gemm := func(x, y string, transX, transY int64) string {
		attributes := []*attribute{onnx.Int("transA", transX), onnx.Int("transB", transY)}
		if alpha != 1 {
			attributes = append(attributes, onnx.Float("alpha", alpha))
		}
		return c.With("Gemm", []string{x, y}, attributes...)
	}
	if c.needs(0) {
		if transA == 0 { // dY·op(B)ᵀ
			c.give(0, gemm(c.dy, b, 0, 1-transB))
		} else {
			c.give(0, gemm(b, c.dy, transB, 1))
		}
	}
	if c.needs(1) {
		if transB == 0 { // op(A)ᵀ·dY
			c.give(1, gemm(a, c.dy, 1-transA, 0))
		} else {
			c.give(1, gemm(c.dy, a, 1, transA))
		}
	}
	if c.needs(2) {
		dc := c.sumTo(c.dy, c.shape(c.out(0)), c.shape(c.in(2)))
		if beta := c.float("beta", 1); beta != 1 {
			dc = c.Op("Mul", dc, c.Scalar(beta))
		}
		c.give(2, dc)
	}
}
