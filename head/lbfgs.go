package head

import (
	"context"

	"fx/internal/fail"
	"fx/internal/metrics"
)

// Meanings of 0 in Options.
const (
	defaultTolerance  = 1e-7
	defaultIterations = 1000
)

// lbfgs trains by L-BFGS on every view of every training photo, without dropout,
// from 0: the problem is strictly convex except in the biases, so the start does not
// matter.
func (f *fitting) lbfgs(ctx context.Context) error {
	q := newRegularised(f.layout, f.train, f.options)
	val := newNetwork[float32](f.layout, f.val.Row)
	recorder := &lbfgsRecorder{ctx: ctx, fitting: f, objective: q, network: val, samples: f.val.centreViews()}
	x, converged, err := q.minimise(ctx, f.options, recorder.add)
	if err != nil {
		return err
	}
	if len(f.result.Epochs) == 0 { // the start is the optimum
		if err := recorder.add(x); err != nil {
			return err
		}
	}
	// It is not an error if rounding stops the line search a little above the tolerance, or
	// if the iterations are used up. The last point is kept.
	f.result.Converged, f.result.Evaluations = converged, q.evaluations
	f.result.Params = Params(q.paramsAt(x))
	last := f.result.Epochs[len(f.result.Epochs)-1]
	f.result.BestEpoch, f.result.BestValAccuracy = last.Epoch, last.ValAccuracy
	return nil
}

// regularised is mean cross entropy + λ/2·Σ weight² of the parameters x =
// (weight, bias). Its products are in float32, like the features; if the
// tolerance is below their resolution, those of the last iterations are in float64.
// Parameters, sums over the parameters and L-BFGS's memory are always float64.
type regularised struct {
	layout  Layout
	data    Data
	samples []sample
	options Options
	l2      float64

	quick          *fullBatch[float32]
	slow           *fullBatch[float64] // nil until it is needed
	exact          bool                // slow is in use
	moments        *moments            // nil if a preconditioner does not pay
	preconditioner *preconditioner

	centring   centring // used if there is no preconditioner
	resolution float64  // of quick's derivatives

	out         outcome // of the last point
	value       float64
	evaluations int
}

// DefaultL2 is the penalty that an Options.L2 of 0 stands for: 1 over the number of rows.
func DefaultL2(train Data) float64 { return 1 / float64(len(train.allViews())) }

func newRegularised(l Layout, train Data, o Options) *regularised {
	q := &regularised{layout: l, data: train, samples: train.allViews(), options: o, l2: o.L2}
	if q.l2 == 0 {
		q.l2 = DefaultL2(train)
	}
	q.quick = newFullBatch[float32](l, train, q.samples, o.ClassWeights)
	return q
}

// minimise goes from 0 to the optimum. It returns the last point, without an error, if the
// iterations are used up or rounding stops the line search. after, if not nil, is
// called with the point of each iteration.
func (q *regularised) minimise(ctx context.Context, o Options,
	after func(x []float64) error) (x []float64, converged bool, err error) {
	tolerance, iterations := o.Tolerance, o.Iterations
	if tolerance == 0 {
		tolerance = defaultTolerance
	}
	if iterations == 0 {
		iterations = defaultIterations
	}
	if err := q.prepare(ctx); err != nil {
		return nil, false, err
	}
	m := newMinimiser(q, make([]float64, q.layout.ParameterCount()))
	done := func() error {
		iterations--
		if after == nil {
			return nil
		}
		return after(m.x)
	}
	q.exact = false
	converged, err = m.run(ctx, max(tolerance, q.resolution), iterations, done)
	if err == nil && (tolerance < q.resolution || !converged) && iterations > 0 {
		q.exact = true
		converged, err = m.run(ctx, tolerance, iterations, done)
	}
	return m.x, converged, err
}

// prepare computes the features' mean and the preconditioner for the penalty, if it pays.
func (q *regularised) prepare(ctx context.Context) (err error) {
	if q.centring.mean == nil { // the same for every penalty
		q.centring.layout = q.layout
		if q.centring.mean, q.resolution, err = q.quick.survey(ctx); err != nil {
			return err
		}
	}
	if !preconditionerPays(q.layout, len(q.samples)) {
		return nil
	}
	if q.moments == nil { // likewise
		if q.moments, err = estimateMoments(ctx, q.layout, q.data, q.samples); err != nil {
			return err
		}
	}
	q.preconditioner, err = newPreconditioner(ctx, q.layout, q.moments, q.l2)
	return err
}

// paramsAt returns the parameters of the point x.
func (q *regularised) paramsAt(x []float64) params[float32] {
	return params[float32]{Weight: narrow(x[:q.weights()]), Bias: narrow(x[q.weights():])}
}

func (q *regularised) weights() int { return q.layout.Classes * q.layout.Features }

func (q *regularised) at(ctx context.Context, x, grad []float64) (float64, error) {
	q.evaluations++
	var err error
	if q.exact {
		if q.slow == nil {
			q.slow = newFullBatch[float64](q.layout, q.data, q.samples, q.options.ClassWeights)
		}
		q.out, err = q.slow.at(ctx, x, grad)
	} else {
		q.out, err = q.quick.at(ctx, x, grad)
	}
	if err == nil && !finite(q.out.loss) {
		err = fail.New(fail.NonFinite, verifyHint, "the training loss is %g in L-BFGS", q.out.loss)
	}
	if err != nil {
		return 0, err
	}
	w := q.weights()
	addScaled(grad[:w], q.l2, x[:w])
	q.value = q.out.loss + q.l2/2*dot(x[:w], x[:w])
	return q.value, nil
}

func (q *regularised) precondition(v []float64) bool {
	if q.preconditioner == nil {
		q.centring.apply(v)
		return false
	}
	q.preconditioner.apply(v)
	return true
}

// noise returns a few units in the last place of the losses that value sums.
func (q *regularised) noise() float64 {
	if q.exact {
		return 0x1p-48 * q.value
	}
	return 0x1p-20 * q.value
}

// lbfgsRecorder turns iterations into epochs.
type lbfgsRecorder struct {
	ctx       context.Context
	fitting   *fitting
	objective *regularised
	network   *network[float32]
	samples   []sample
}

// add records the point x as an epoch.
func (r *lbfgsRecorder) add(x []float64) error {
	q := r.objective
	r.network.params = q.paramsAt(x)
	_, err := r.fitting.finish(r.ctx, r.network, r.samples, metrics.Epoch{
		Epoch:         len(r.fitting.result.Epochs) + 1,
		TrainLoss:     q.out.loss,
		TrainAccuracy: float64(q.out.correct) / float64(len(q.samples)),
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
