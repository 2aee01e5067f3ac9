package head

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"
)

// correlatedData has features like a network's: of a few hidden ones, none below
// zero, each class around a place of its own. Photo i shows row order(i).
func correlatedData(l Layout, rows int) Data {
	const hidden = 8
	mixing, noise := uniform(71, hidden*l.Features, 2), uniform(72, rows*l.Features, 0.2)
	where, centres, y := uniform(73, rows*hidden, 2), uniform(74, l.Classes*hidden, 2), formulaLabels(labels, rows,
		l.Classes)
	values := make([]float32, rows*l.Features)
	for i := range rows {
		for j := range l.Features {
			sum := noise[i*l.Features+j]
			for h := range hidden {
				sum += (where[i*hidden+h] + centres[y[i]*hidden+h]) / float32(h+1) * mixing[h*l.Features+j]
			}
			values[i*l.Features+j] = max(sum, 0)
		}
	}
	return Data{Row: Matrix(values, l.Features), Photos: SingleViews(y)}
}

// gathered is d with rows that never lie side by side.
func gathered(d Data) Data {
	return Data{Photos: d.Photos, Row: func(i int, buffer []float32) []float32 {
		copy(buffer, d.Row(i, nil))
		return buffer
	}}
}

func fitted(t *testing.T, l Layout, d Data, o Options) Result {
	t.Helper()
	o.Solver = LBFGS
	r, err := Fit(context.Background(), l, d, Data{}, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// manyBlocks takes every path of a fit: the preconditioner, more rows than a block, two
// goroutines, packed weights.
var manyBlocks = Layout{Kind: Linear, Features: 70, Positions: 1, Classes: 20}

// withoutPreconditioner takes the other paths: centring, and products that pack nothing.
var withoutPreconditioner = Layout{Kind: Linear, Features: 1100, Positions: 1, Classes: 3}

func TestLargeFitHasTheSameBitsWhateverTheProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, l := range []Layout{manyBlocks, withoutPreconditioner} {
		d := correlatedData(l, 2*blockRows+100)
		if preconditionerPays(l, len(d.Photos)) != (l == manyBlocks) {
			t.Fatal("the preconditioner is not where it is to be tested")
		}
		var first Result
		for i, processors := range []int{1, 2, 7} {
			runtime.GOMAXPROCS(processors)
			for _, d := range []Data{d, gathered(d)} {
				r := fitted(t, l, d, Options{Iterations: 5})
				r.Seconds = 0
				if i == 0 && first.Epochs == nil {
					first = r
				} else if !reflect.DeepEqual(r, first) {
					t.Errorf("%d classes: %d processors give other bits than 1", l.Classes, processors)
				}
			}
		}
	}
}

// The optimum in float64, and the derivatives there, by the network's own code.
func largestDerivative(t *testing.T, l Layout, p Params, d Data, l2 float64) float64 {
	t.Helper()
	n, g := newNetwork[float64](l, d.Row), newParams[float64](l)
	widen(n.params.Weight, p.Weight)
	widen(n.params.Bias, p.Bias)
	if _, err := n.gradient(context.Background(), objective{samples: d.allViews()}, g); err != nil {
		t.Fatal(err)
	}
	for i, w := range n.params.Weight {
		g.Weight[i] += l2 * w
	}
	return max(norm(g.Weight), norm(g.Bias))
}

func TestLBFGSKeepsItsToleranceInFloat64(t *testing.T) {
	d := correlatedData(manyBlocks, 2000)
	for _, tolerance := range []float64{1e-4, 1e-6, 1e-8} {
		const l2 = 1e-3
		r := fitted(t, manyBlocks, d, Options{Tolerance: tolerance, L2: l2})
		// The parameters are rounded to float32: 2⁻²⁵ of weights around 1, by a curvature around 1.
		if got := largestDerivative(t, manyBlocks, r.Params, d, l2); !r.Converged || got > tolerance+6e-8 {
			t.Errorf("tolerance %g: converged %t with a derivative of %g", tolerance, r.Converged, got)
		}
	}
}

func TestSinglePrecisionGradientIsWithinItsResolution(t *testing.T) {
	for _, l := range []Layout{manyBlocks, {Kind: Linear, Features: 300, Positions: 1, Classes: 2},
		{Kind: Linear, Features: 9, Positions: 1, Classes: 150}} {
		for _, c := range []struct {
			rows  int
			scale float64
		}{{1700, 0.1}, {1700, 1}, {30, 1}} {
			d := correlatedData(l, c.rows)
			x := make([]float64, l.ParameterCount())
			convert(x, uniform(weight, len(x), c.scale))
			single, double := make([]float64, len(x)), make([]float64, len(x))
			quick := newFullBatch[float32](l, d, d.allViews(), nil)
			a, err := quick.at(context.Background(), x, single)
			if err != nil {
				t.Fatal(err)
			}
			b, err := newFullBatch[float64](l, d, d.allViews(), nil).at(context.Background(), x, double)
			if err != nil {
				t.Fatal(err)
			}
			_, resolution, err := quick.survey(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for i := range single {
				single[i] -= double[i]
			}
			if largest := norm(single); largest > resolution || a.correct < b.correct-1 || a.correct > b.correct+1 {
				t.Errorf("%+v: a derivative is wrong by %g, said to be within %g; %d and %d correct", l, largest,
					resolution, a.correct, b.correct)
			}
			near(t, "loss", a.loss, b.loss, 1e-6*(1+b.loss))
		}
	}
}

// Along directions in which the classes' weights sum to 0, M is the Hessian at 0.
func TestPreconditionerInvertsTheHessianAtZero(t *testing.T) {
	l := Layout{Kind: Linear, Features: 70, Positions: 1, Classes: 3}
	d := correlatedData(l, 250) // fewer than the covariance is taken from
	const l2 = 0.01
	moments, err := estimateMoments(context.Background(), l, d, d.allViews())
	if err != nil {
		t.Fatal(err)
	}
	m, err := newPreconditioner(context.Background(), l, moments, l2)
	if err != nil || m == nil {
		t.Fatal(m, err)
	}
	f := newFullBatch[float64](l, d, d.allViews(), nil)
	n := l.Features
	v := make([]float64, l.ParameterCount())
	first := uniform(weight, n+1, 1)
	for j, w := range first {
		to := func(c int) *float64 {
			if j == n {
				return &v[l.Classes*n+c]
			}
			return &v[c*n+j]
		}
		*to(0), *to(2) = float64(w), -float64(w)
	}
	const step = 1e-4
	after, before := make([]float64, len(v)), make([]float64, len(v))
	at := func(sign float64, to []float64) {
		x := make([]float64, len(v))
		addScaled(x, sign*step, v)
		if _, err := f.at(context.Background(), x, to); err != nil {
			t.Fatal(err)
		}
		addScaled(to[:l.Classes*n], l2, x[:l.Classes*n])
	}
	at(1, after)
	at(-1, before)
	for i := range after {
		after[i] = (after[i] - before[i]) / (2 * step)
	}
	m.apply(after)
	nearAll(t, "M⁻¹·H·v", after, v, 1e-3)
}

// iterationsOf counts those of a fit in single precision.
func iterationsOf(t *testing.T, of convexFunction, l Layout, tolerance float64) (count int, value float64) {
	t.Helper()
	m := newMinimiser(of, make([]float64, l.ParameterCount()))
	if converged, err := m.run(context.Background(), tolerance, 1000, func() error {
		count++
		return nil
	}); err != nil || !converged {
		t.Fatal(converged, err)
	}
	return count, m.value
}

func prepared(t *testing.T, l Layout, d Data, l2 float64) *regularised {
	t.Helper()
	q := newRegularised(l, d, Options{L2: l2})
	if err := q.prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestPreconditionerSavesIterations(t *testing.T) {
	l := Layout{Kind: Linear, Features: 64, Positions: 1, Classes: 10}
	q := prepared(t, l, correlatedData(l, 3000), 0)
	with, value := iterationsOf(t, q, l, 1e-3)
	without, valueWithout := iterationsOf(t, plain{q}, l, 1e-3)
	t.Logf("%d iterations, without the preconditioner %d", with, without)
	if 2*with > without {
		t.Errorf("%d iterations, without the preconditioner %d", with, without)
	}
	near(t, "the value reached", value, valueWithout, 0.02*valueWithout)
}

// The optimum is the same wherever features lie.
func TestCentringSavesIterations(t *testing.T) {
	l := Layout{Kind: Linear, Features: 200, Positions: 1, Classes: 4}
	near0 := correlatedData(l, 150)
	if preconditionerPays(l, len(near0.Photos)) {
		t.Fatal("there is a preconditioner in the place of centring")
	}
	moved := Data{Photos: near0.Photos, Row: func(i int, buffer []float32) []float32 {
		for j, v := range near0.Row(i, nil) {
			buffer[j] = v + float32(j%5)
		}
		return buffer
	}}
	q, far := prepared(t, l, near0, 1e-3), prepared(t, l, moved, 1e-3)
	_, value := iterationsOf(t, q, l, 1e-4)
	with, valueFar := iterationsOf(t, far, l, 1e-4)
	without, _ := iterationsOf(t, plain{far}, l, 1e-4)
	t.Logf("%d iterations, without centring %d", with, without)
	if 2*with > without {
		t.Errorf("%d iterations, without centring %d", with, without)
	}
	near(t, "the value reached far from 0", valueFar, value, 1e-3*value)
}

// plain is an objective without preconditioner and centring.
type plain struct{ *regularised }

func (plain) precondition([]float64) bool { return false }

func TestDegenerateFeaturesHaveAnOptimum(t *testing.T) {
	l := Layout{Kind: Linear, Features: 66, Positions: 1, Classes: 20}
	d := correlatedData(l, 2000)
	change := func(to func(j int, row []float32) float32) Data {
		return Data{Photos: d.Photos, Row: func(i int, buffer []float32) []float32 {
			row := d.Row(i, nil)
			for j := range buffer {
				buffer[j] = to(j, row)
			}
			return buffer
		}}
	}
	if !preconditionerPays(l, len(d.Photos)) {
		t.Fatal("no preconditioner to test")
	}
	for name, d := range map[string]Data{
		"all 0":         change(func(int, []float32) float32 { return 0 }),
		"constant":      change(func(j int, _ []float32) float32 { return float32(j) }),
		"some constant": change(func(j int, row []float32) float32 { return []float32{row[j], 3}[j%2] }),
		"duplicates":    change(func(j int, row []float32) float32 { return row[j/33] }),
		"tiny":          change(func(j int, row []float32) float32 { return 1e-18 * row[j] }),
		"one huge": change(func(j int, row []float32) float32 {
			return []float32{row[j], 1e4 * row[0]}[1-min(j, 1)]
		}),
	} {
		r := fitted(t, l, d, Options{Tolerance: 1e-5})
		if got := largestDerivative(t, l, r.Params, d, 1.0/2000); !(r.Converged && got < 2e-4) {
			t.Errorf("%s: converged %t after %d iterations with a derivative of %g", name, r.Converged, len(r.Epochs),
				got)
		}
	}
}

// Without a penalty to speak of, rounding alone keeps the covariance of copies from
// having a factor.
func TestPreconditionerOfCopiesIsPositiveDefinite(t *testing.T) {
	l := Layout{Kind: Linear, Features: 130, Positions: 1, Classes: 3}
	d := correlatedData(l, 600)
	copies := Data{Photos: d.Photos, Row: func(i int, buffer []float32) []float32 {
		for j := range buffer {
			buffer[j] = d.Row(i, nil)[j%5]
		}
		return buffer
	}}
	moments, err := estimateMoments(context.Background(), l, copies, copies.allViews())
	if err != nil {
		t.Fatal(err)
	}
	m, err := newPreconditioner(context.Background(), l, moments, 1e-12)
	if err != nil || m == nil {
		t.Fatalf("preconditioner %v, %v", m, err)
	}
	v := make([]float64, l.ParameterCount())
	convert(v, uniform(weight, len(v), 1))
	w := slices.Clone(v)
	m.apply(w)
	if along := dot(v, w); !(along > 0 && finite(along)) {
		t.Errorf("vᵀ·M⁻¹·v is %g", along)
	}
}

// A fit ends within a block, not an iteration, of being cancelled.
func TestLargeFitCanBeCancelledWithinAnEvaluation(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	d := correlatedData(manyBlocks, 4*blockRows)
	rows := d.Row
	reached := 0
	d.Row = func(i int, buffer []float32) []float32 {
		if i == blockRows+1 {
			cancel()
		}
		reached = max(reached, i)
		return rows(i, buffer)
	}
	q := newFullBatch[float32](manyBlocks, d, d.allViews(), nil)
	x := make([]float64, manyBlocks.ParameterCount())
	if _, err := q.at(ctx, x, slices.Clone(x)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if reached >= 2*blockRows {
		t.Errorf("read row %d after being cancelled at row %d", reached, blockRows+1)
	}
}

func TestFactorIsCholeskys(t *testing.T) {
	for _, n := range []int{1, 2, 63, 64, 65, 130, 300} {
		b := uniform(81, n*n, 1)
		a, want := make([]float32, n*n), make([]float64, n*n)
		for i := range n {
			for j := range n {
				for k := range n {
					want[i*n+j] += float64(b[i*n+k]) * float64(b[j*n+k])
				}
				if i == j {
					want[i*n+j] += 1
				}
				a[i*n+j] = float32(want[i*n+j])
			}
		}
		inverse := make([]float32, n*n)
		if !factor(square{a, n, n}, square{inverse, n, n}) {
			t.Fatalf("%d: not positive definite", n)
		}
		var wrong, far float64
		for i := range n {
			for j := range i + 1 {
				var back, one float64
				for k := range j + 1 {
					back += float64(a[i*n+k]) * float64(a[j*n+k])
				}
				for k := j; k <= i; k++ {
					one += float64(inverse[i*n+k]) * float64(a[k*n+j])
				}
				if i == j {
					one--
				}
				wrong, far = max(wrong, math.Abs(back-want[i*n+j])), max(far, math.Abs(one))
			}
		}
		if scale := math.Sqrt(float64(n)); wrong > 1e-5*scale || far > 1e-5*scale {
			t.Errorf("%d: L·Lᵀ is off by %g, L⁻¹·L by %g", n, wrong, far)
		}
		a[(n-1)*n+n-1] = -1
		if factor(square{a, n, n}, square{inverse, n, n}) {
			t.Errorf("%d: a negative diagonal was factorised", n)
		}
	}
}

// bowl is a convex function of one number whose slope rises from -1 to 1 within
// width of its least value at middle.
type bowl struct{ middle, width float64 }

func (b bowl) at(_ context.Context, x, grad []float64) (float64, error) {
	z := (x[0] - b.middle) / b.width
	grad[0] = z / math.Sqrt(1+z*z)
	return b.width * math.Sqrt(1+z*z), nil
}
func (bowl) precondition([]float64) bool { return false }
func (bowl) noise() float64              { return 0 }

func TestLineSearchFindsNearAndFarMinima(t *testing.T) {
	for _, middle := range []float64{1e-3, 1, 1e3, -1e4} {
		for _, width := range []float64{1e-2, 1, 10} {
			t.Run(fmt.Sprint(middle, " ", width), func(t *testing.T) {
				m := newMinimiser(bowl{middle, width}, []float64{0})
				converged, err := m.run(context.Background(), 1e-8, 100, func() error { return nil })
				if err != nil || !converged {
					t.Fatal(converged, err)
				}
				near(t, "the least value's place", m.x[0], middle, 2e-8*width+1e-12*math.Abs(middle))
			})
		}
	}
}
