package kernels

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"fx/internal/random"
)

// What a product is by definition, added up in float64.
func productOf[T Real](a []T, aPitch, rows, k int, b func(i, j int) T, columns int) []float64 {
	c := make([]float64, rows*columns)
	for i := range rows {
		for j := range columns {
			for r := range k {
				c[i*columns+j] += float64(a[i*aPitch+r]) * float64(b(r, j))
			}
		}
	}
	return c
}

func drawn[T Real](name string, n int) []T {
	s := random.New(1, name)
	v := make([]T, n)
	for i := range v {
		v[i] = T(s.Uniform(-1, 1))
	}
	return v
}

func compare[T Real](t *testing.T, what string, c []T, pitch int, want []float64, rows, columns int,
	tolerance float64) {
	t.Helper()
	for i := range rows {
		for j := range columns {
			if got := float64(c[i*pitch+j]); !(math.Abs(got-want[i*columns+j]) <= tolerance) {
				t.Fatalf("%s: value %d, %d is %g, want %g", what, i, j, got, want[i*columns+j])
			}
		}
		for j := columns; j < pitch && i+1 < rows; j++ {
			if c[i*pitch+j] != 7 {
				t.Fatalf("%s: wrote behind row %d", what, i)
			}
		}
	}
}

func testProducts[T Real](t *testing.T, epsilon float64) {
	for _, rows := range []int{1, 2, 6, 11} {
		for _, columns := range []int{1, 3, 16, 17, 64, 65, 130} {
			for _, k := range []int{1, 17, 511, 513} {
				a, b := drawn[T]("a", rows*(k+3)), drawn[T]("b", (k+2)*(columns+k+2))
				what := fmt.Sprintf("%d×%d×%d", rows, k, columns)
				tolerance := epsilon * float64(8+k)
				pitch := columns + 3
				fresh := func() []T {
					c := make([]T, rows*pitch)
					for i := range c {
						c[i] = 7
					}
					return c
				}
				var packed Packed[T]
				want := productOf(a, k+3, rows, k, func(i, j int) T { return b[i*(columns+1)+j] }, columns)
				packed.Pack(b, columns+1, k, columns)
				c := fresh()
				Multiply(c, pitch, a, k+3, rows, packed, false)
				compare(t, what, c, pitch, want, rows, columns, tolerance)
				Multiply(c, pitch, a, k+3, rows, packed, true)
				for i := range want {
					want[i] *= 2
				}
				compare(t, what+" twice", c, pitch, want, rows, columns, 2*tolerance)

				once := fresh()
				Multiply(once, pitch, a, k+3, rows, packed, false)
				AddProduct(once, pitch, a, k+3, rows, k, b, columns+1, columns)
				compare(t, what+" added", once, pitch, want, rows, columns, 2*tolerance)
				if native && !slices.Equal(once, c) {
					t.Fatalf("%s: a product has other bits where it is not packed", what)
				}

				want = productOf(a, k+3, rows, k, func(i, j int) T { return b[j*(k+1)+i] }, columns)
				packed.PackTransposed(b, k+1, k, columns)
				c = fresh()
				Multiply(c, pitch, a, k+3, rows, packed, false)
				compare(t, what+" transposed", c, pitch, want, rows, columns, tolerance)
				c = fresh()
				MultiplyTransposed(c, pitch, a, k+3, rows, k, b, k+1, columns)
				compare(t, what+" unpacked", c, pitch, want, rows, columns, tolerance)

				alone := make([]T, columns)
				MultiplyTransposed(alone, columns, a[(rows-1)*(k+3):], k+3, 1, k, b, k+1, columns)
				for j, v := range alone {
					if native && v != c[(rows-1)*pitch+j] {
						t.Fatalf("%s: a row has other bits alone", what)
					}
				}
			}
		}
	}
}

func TestProducts(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T) {
		t.Run("float32", func(t *testing.T) { testProducts[float32](t, 1.0/(1<<24)) })
		t.Run("float64", func(t *testing.T) { testProducts[float64](t, 1.0/(1<<53)) })
	})
}

func TestSoftmaxIsThatOfTheFormula(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T) {
		for _, classes := range []int{2, 3, 16, 17, 100} {
			const rows = 37 // some vectors of samples, and a part of one
			pitch := (classes + Lanes - 1) / Lanes * Lanes
			z := make([]float32, rows*pitch)
			labels, weights, losses := make([]int32, rows), make([]float32, rows), make([]float64, rows)
			want, wantLoss, wantHits := make([]float64, rows*classes), make([]float64, rows), 0
			for i := range rows {
				logits := drawn[float32](fmt.Sprint("logits", i), classes)
				labels[i], weights[i] = int32((i*5)%classes), float32(i%9)/4
				if i == 3 { // far apart: most underflow
					logits[0], logits[1] = -1e6, 500
				}
				if i == 4 { // the first of the largest is the class
					logits[0], logits[1] = 3, 3
				}
				copy(z[i*pitch:], logits)
				largest, best, sum := math.Inf(-1), 0, 0.0
				for c, v := range logits {
					if float64(v) > largest {
						largest, best = float64(v), c
					}
				}
				for _, v := range logits {
					sum += math.Exp(float64(v) - largest)
				}
				for c, v := range logits {
					want[i*classes+c] = float64(weights[i]) * math.Exp(float64(v)-largest) / sum
				}
				want[i*classes+int(labels[i])] -= float64(weights[i])
				wantLoss[i] = math.Log(sum) + largest - float64(logits[labels[i]])
				if best == int(labels[i]) {
					wantHits++
				}
			}
			columns := make([]float32, classes*(rows+2))
			for i := range columns {
				columns[i] = 7
			}
			Transpose(columns, rows+2, z, pitch, rows, classes)
			check := func(what string, hits int, gradient func(i, c int) float32) {
				if hits != wantHits {
					t.Errorf("%s of %d classes: %d hits, want %d", what, classes, hits, wantHits)
				}
				for i := range rows {
					for c := range classes {
						if got := float64(gradient(i, c)); !(math.Abs(got-want[i*classes+c]) < 4e-7) {
							t.Fatalf("%s of %d classes, row %d: gradient %d is %g, want %g", what, classes, i, c, got,
								want[i*classes+c])
						}
					}
					if got := losses[i]; !(math.Abs(got-wantLoss[i]) <= 2e-7*(2+math.Abs(wantLoss[i]))) {
						t.Errorf("%s of %d classes, row %d: loss %g, want %g", what, classes, i, got, wantLoss[i])
					}
				}
			}
			check("rows", Softmax(z, pitch, classes, labels, weights, losses), func(i, c int) float32 {
				return z[i*pitch+c]
			})
			clear(losses)
			check("columns", SoftmaxColumns(columns, rows+2, classes, labels, weights, losses), func(i, c int) float32 {
				return columns[c*(rows+2)+i]
			})
			for c := range classes {
				if behind := columns[c*(rows+2)+rows:][:2]; behind[0] != 7 || behind[1] != 7 {
					t.Fatalf("%d classes: wrote behind column %d", classes, c)
				}
			}
			columns[rows+2+1] = float32(math.NaN())
			if SoftmaxColumns(columns, rows+2, classes, labels, weights, losses); losses[1] == losses[1] ||
				losses[0] != losses[0] {
				t.Errorf("%d classes: a logit of NaN in column 1 gives the losses %g", classes, losses[:2])
			}
			z[1] = float32(math.NaN())
			Softmax(z, pitch, classes, labels[:1], weights, losses)
			if losses[0] == losses[0] {
				t.Errorf("%d classes: a logit of NaN gives the loss %g", classes, losses[0])
			}
		}
	})
}

func TestHeadStepIsTorchs(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T) {
		for _, rows := range []int{1, 2, 7, 13} {
			for _, columns := range []int{1, 17, 64, 100} {
				const k = 9
				w, v := drawn[float32]("w", rows*columns), drawn[float32]("v", rows*columns)
				a, b := drawn[float32]("a", rows*k), drawn[float32]("b", k*columns)
				gradient := productOf(a, k, rows, k, func(i, j int) float32 { return b[i*columns+j] }, columns)
				wantW, wantV := make([]float64, len(w)), make([]float64, len(v))
				for i := range w {
					wantV[i] = 0.9*float64(v[i]) + gradient[i] + 0.01*float64(w[i])
					wantW[i] = float64(w[i]) - 0.1*wantV[i]
				}
				var packed Packed[float32]
				packed.Pack(b, columns, k, columns)
				HeadStep(w, v, rows, a, k, packed, 0.1, 0.9, 0.01)
				what := fmt.Sprintf("%d×%d", rows, columns)
				compare(t, what+" momenta", v, columns, wantV, rows, columns, 2e-6)
				compare(t, what+" weights", w, columns, wantW, rows, columns, 2e-6)
			}
		}
	})
}

func BenchmarkProducts(b *testing.B) {
	for _, size := range [][3]int{{96, 2048, 1000}, {1000, 1024, 64}, {96, 2048, 100}, {100, 1024, 64},
		{1024, 1024, 1024}} {
		m, k, n := size[0], size[1], size[2]
		a, c := drawn[float32]("a", m*k), make([]float32, m*n)
		var packed Packed[float32]
		packed.Pack(drawn[float32]("b", k*n), n, k, n)
		b.Run(fmt.Sprintf("packed/%dx%dx%d", m, k, n), func(b *testing.B) {
			for b.Loop() {
				Multiply(c, n, a, k, m, packed, false)
			}
			b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	for _, size := range [][3]int{{8, 2048, 1000}, {64, 2048, 1000}, {64, 512, 2}, {1024, 2048, 2}} {
		m, k, n := size[0], size[1], size[2]
		a, w, c := drawn[float32]("a", m*k), drawn[float32]("b", n*k), make([]float32, m*n)
		b.Run(fmt.Sprintf("unpacked/%dx%dx%d", m, k, n), func(b *testing.B) {
			for b.Loop() {
				MultiplyTransposed(c, n, a, k, m, k, w, k, n)
			}
			b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
