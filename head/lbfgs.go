package head

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"

	"fx/internal/fail"
)

// What Options' zeros stand for.
const (
	defaultTolerance  = 1e-7
	defaultIterations = 1000
)

// lbfgs trains by L-BFGS in float64 on every view of every training photo,
// without dropout, from 0: the problem is strictly convex but for the biases, so the
// start decides nothing. Nocedal and Wright, Numerical Optimization, chapter 7; the
// line search of Moré and Thuente 1994.
func (f *fitting) lbfgs(ctx context.Context) error {
	q := newRegularised(ctx, f)
	val := newNetwork[float32](f.layout, f.val.Row)
	recorder := &lbfgsRecorder{ctx: ctx, fitting: f, objective: q, network: val, samples: f.val.centreViews()}
	o := f.options
	settings := &optimize.Settings{
		GradientThreshold: o.Tolerance,
		MajorIterations:   o.Iterations,
		Converger:         optimize.NeverTerminate{},
		Recorder:          recorder,
	}
	if settings.GradientThreshold == 0 {
		settings.GradientThreshold = defaultTolerance
	}
	if settings.MajorIterations == 0 {
		settings.MajorIterations = defaultIterations
	}
	problem := optimize.Problem{Func: q.value, Grad: q.gradient, Status: q.status}
	result, err := optimize.Minimize(problem, make([]float64, f.layout.ParameterCount()), settings, &optimize.LBFGS{
		Linesearcher:      &optimize.MoreThuente{DecreaseFactor: 1e-4},
		GradStopThreshold: math.NaN(), // GradientThreshold decides
	})
	if q.err != nil {
		return q.err
	}
	if recorder.err != nil {
		return recorder.err
	}
	if result == nil {
		return fail.Wrap(fail.Other, err, "Use --solver sgd.", "L-BFGS could not start")
	}
	if len(f.result.Epochs) == 0 { // the start is the optimum
		if err := recorder.add(result.X); err != nil {
			return err
		}
	}
	// Other ends are no errors: rounding stops the line search a little above
	// the tolerance, or the iterations are spent. The point reached is kept.
	f.result.Converged = result.Status == optimize.GradientThreshold
	f.result.Params = Params{Weight: narrow(result.X[:q.weights()]), Bias: narrow(result.X[q.weights():])}
	last := f.result.Epochs[len(f.result.Epochs)-1]
	f.result.BestEpoch, f.result.BestValAccuracy = last.Epoch, last.ValAccuracy
	return nil
}

// regularised is mean cross entropy + λ/2·Σ weight² of the parameters x =
// (weight, bias). It keeps the value and gradient of the point it saw last,
// since the optimiser asks for them in two calls.
type regularised struct {
	ctx       context.Context
	network   *network[float64]
	objective objective
	l2        float64

	x, grad []float64 // the last point and the gradient there
	out     outcome
	loss    float64
	err     error
}

func newRegularised(ctx context.Context, f *fitting) *regularised {
	o := objective{samples: f.train.allViews(), classWeights: f.options.ClassWeights}
	q := &regularised{
		ctx: ctx, network: newNetwork[float64](f.layout, f.train.Row), objective: o,
		l2:   f.options.L2,
		grad: make([]float64, f.layout.ParameterCount()),
	}
	if q.l2 == 0 {
		q.l2 = 1 / float64(len(o.samples))
	}
	return q
}

func (q *regularised) weights() int { return q.network.layout.Classes * q.network.layout.Features }

// at makes x the last point seen.
func (q *regularised) at(x []float64) {
	if q.x != nil && slices.Equal(x, q.x) {
		return
	}
	q.x = append(q.x[:0], x...)
	w := q.weights()
	q.network.params = params[float64]{Weight: q.x[:w], Bias: q.x[w:]}
	out, err := q.network.gradient(q.ctx, q.objective, params[float64]{Weight: q.grad[:w], Bias: q.grad[w:]})
	if err == nil && !finite(out.loss) {
		err = fail.New(fail.NonFinite, "`fx features verify` tells whether the features are finite.", "the training loss is %g in L-BFGS", out.loss)
	}
	if err != nil {
		q.err = err
		return
	}
	q.out = out
	q.loss = out.loss + q.l2/2*floats.Dot(q.x[:w], q.x[:w])
	floats.AddScaled(q.grad[:w], q.l2, q.x[:w])
}

func (q *regularised) value(x []float64) float64 {
	q.at(x)
	return q.loss
}

func (q *regularised) gradient(grad, x []float64) {
	q.at(x)
	copy(grad, q.grad)
}

func (q *regularised) status() (optimize.Status, error) {
	if q.err != nil {
		return optimize.Failure, q.err
	}
	return optimize.NotTerminated, nil
}

// lbfgsRecorder turns iterations into epochs.
type lbfgsRecorder struct {
	ctx       context.Context
	fitting   *fitting
	objective *regularised
	network   *network[float32]
	samples   []sample
	started   bool
	err       error
}

func (r *lbfgsRecorder) Init() error { return nil }

func (r *lbfgsRecorder) Record(at *optimize.Location, op optimize.Operation, _ *optimize.Stats) error {
	if op != optimize.MajorIteration {
		return nil
	}
	if !r.started { // gonum tells the start too
		r.started = true
		return nil
	}
	r.err = r.add(at.X)
	return r.err
}

// add records the point x as an epoch.
func (r *lbfgsRecorder) add(x []float64) error {
	q := r.objective
	q.at(x)
	if q.err != nil {
		return q.err
	}
	w := q.weights()
	r.network.params = params[float32]{Weight: narrow(x[:w]), Bias: narrow(x[w:])}
	_, err := r.fitting.finish(r.ctx, r.network, r.samples, Epoch{
		Epoch:         len(r.fitting.result.Epochs) + 1,
		TrainLoss:     q.out.loss,
		TrainAccuracy: float64(q.out.correct) / float64(len(q.objective.samples)),
	})
	return err
}

func narrow(v []float64) []float32 {
	n := make([]float32, len(v))
	for i, x := range v {
		n[i] = float32(x)
	}
	return n
}
