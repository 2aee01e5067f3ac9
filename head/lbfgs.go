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
	// maxSearch is how many points one line search looks at. Where rounding
	// hides the slope, gonum's MoreThuente goes round for ever: its nextStep
	// forgets that the minimum was bracketed, which MINPACK-2's dcstep never does.
	maxSearch = 50
)

// lbfgs trains by L-BFGS in float64 on every view of every training photo,
// without dropout, from 0: the problem is strictly convex but for the biases, so the
// start decides nothing. Nocedal and Wright, Numerical Optimization, chapter 7; the
// line search of Moré and Thuente 1994.
func (f *fitting) lbfgs(ctx context.Context) error {
	q := newRegularised(ctx, f.layout, f.train, f.options)
	val := newNetwork[float32](f.layout, f.val.Row)
	recorder := &lbfgsRecorder{ctx: ctx, fitting: f, objective: q, network: val, samples: f.val.centreViews()}
	result, err := q.minimise(make([]float64, f.layout.ParameterCount()), f.options, recorder)
	if recorder.err != nil {
		return recorder.err
	}
	if err != nil {
		return err
	}
	if len(f.result.Epochs) == 0 { // the start is the optimum
		if err := recorder.add(result.X); err != nil {
			return err
		}
	}
	// Other ends are no errors: rounding stops the line search a little above
	// the tolerance, or the iterations are spent. The point reached is kept.
	f.result.Converged = result.Status == optimize.GradientThreshold
	f.result.Params = Params(q.paramsAt(result.X))
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

	searched int // evaluations since the last iteration
}

func newRegularised(ctx context.Context, l Layout, train Data, o Options) *regularised {
	q := &regularised{
		ctx: ctx, network: newNetwork[float64](l, train.Row),
		objective: objective{samples: train.allViews(), classWeights: o.ClassWeights},
		l2:        o.L2,
		grad:      make([]float64, l.ParameterCount()),
	}
	if q.l2 == 0 {
		q.l2 = 1 / float64(len(q.objective.samples))
	}
	return q
}

// minimise goes from start to the optimum. Spent iterations and a line search
// that rounding stops are no errors: the point reached is returned.
func (q *regularised) minimise(start []float64, o Options, recorder optimize.Recorder) (*optimize.Result, error) {
	settings := &optimize.Settings{
		GradientThreshold: o.Tolerance,
		MajorIterations:   o.Iterations,
		Converger:         optimize.NeverTerminate{},
		Recorder:          &searchCounter{problem: q, next: recorder},
	}
	if settings.GradientThreshold == 0 {
		settings.GradientThreshold = defaultTolerance
	}
	if settings.MajorIterations == 0 {
		settings.MajorIterations = defaultIterations
	}
	q.x, q.searched = nil, 0 // the penalty may have changed since
	problem := optimize.Problem{Func: q.value, Grad: q.gradient, Status: q.status}
	result, err := optimize.Minimize(problem, start, settings, &optimize.LBFGS{
		Linesearcher:      &optimize.MoreThuente{DecreaseFactor: 1e-4},
		GradStopThreshold: math.NaN(), // GradientThreshold decides
	})
	if q.err != nil {
		return nil, q.err
	}
	if result == nil {
		return nil, fail.Wrap(fail.Other, err, "Use --solver sgd.", "L-BFGS could not start")
	}
	return result, nil
}

// paramsAt returns the parameters of the point x.
func (q *regularised) paramsAt(x []float64) params[float32] {
	return params[float32]{Weight: narrow(x[:q.weights()]), Bias: narrow(x[q.weights():])}
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
		err = fail.New(fail.NonFinite, verifyHint, "the training loss is %g in L-BFGS", out.loss)
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
	q.searched++
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
	if q.searched > maxSearch {
		return optimize.StepConvergence, nil
	}
	return optimize.NotTerminated, nil
}

// searchCounter starts the count of a line search anew at each iteration.
type searchCounter struct {
	problem *regularised
	next    optimize.Recorder // nil: nobody else listens
}

func (c *searchCounter) Init() error { return nil }

func (c *searchCounter) Record(at *optimize.Location, op optimize.Operation, stats *optimize.Stats) error {
	if op == optimize.MajorIteration {
		c.problem.searched = 0
	}
	if c.next == nil {
		return nil
	}
	return c.next.Record(at, op, stats)
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
	r.network.params = q.paramsAt(x)
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
