package head

import (
	"context"
	"slices"
	"time"

	"fx/internal/fail"
	"fx/internal/metrics"
)

// Result is a trained head with the course of its training.
type Result struct {
	Params            Params  // of BestEpoch
	BestEpoch         int     // SGD: the first with the best val accuracy, or the last; LBFGS: the last, the optimum
	BestValAccuracy   float64 // of BestEpoch
	Epochs            []metrics.Epoch
	Seconds           float64
	ParametersTrained int
	// Converged reports whether LBFGS reached the tolerance; it is false for SGD.
	Converged bool
	// Evaluations counts LBFGS's computations of the gradient of all photos.
	Evaluations int
}

// Fit trains a head of layout l on train and evaluates it on val after each epoch. It
// calls record, if not nil, with each finished epoch.
//
// SGD visits each photo once an epoch, in a new random order, with one random view.
// LBFGS uses every view of every photo at once; it needs no val photos, because it
// chooses no epoch by them, and neither does SGD with LastEpoch. Val photos are evaluated by their centre view.
//
// The result depends only on the data, the options and the machine's arithmetic, to
// the last bit: not on GOMAXPROCS or time.
//
// Errors: kind fail.Usage for invalid layouts, options or photos, fail.NonFinite if the
// loss is NaN or infinite or if Diverged returns an error, and ctx's own.
func Fit(ctx context.Context, l Layout, train, val Data, o Options, record func(metrics.Epoch)) (Result, error) {
	if err := checkFit(l, train, val, o); err != nil {
		return Result{}, err
	}
	start := time.Now()
	f := &fitting{layout: l, train: train, val: val, options: o, record: record}
	var err error
	if o.Solver == LBFGS {
		err = f.lbfgs(ctx)
	} else {
		err = f.sgd(ctx, initial(l, o.Seed), newSchedule(l, train, o))
		if err == nil {
			err = f.diverged(ctx)
		}
	}
	if err != nil {
		return Result{}, err
	}
	f.result.ParametersTrained = l.ParameterCount()
	f.result.Seconds = time.Since(start).Seconds()
	return f.result, nil
}

func checkFit(l Layout, train, val Data, o Options) error {
	if err := l.Check(); err != nil {
		return err
	}
	if err := o.check(l); err != nil {
		return err
	}
	if len(train.Photos) == 0 {
		return fail.New(fail.Usage,
			"Extract features of photos in a train folder, or split these photos with --val-fraction.",
			"no training photos")
	}
	if len(val.Photos) == 0 && o.Solver != LBFGS && !o.LastEpoch {
		return fail.New(fail.Usage, "Extract features of photos in a val folder too, or give --val-fraction 0.2.",
			"no validation photos")
	}
	if err := train.check(l, "training"); err != nil {
		return err
	}
	if err := val.check(l, "validation"); err != nil {
		return err
	}
	classes := 0
	for _, count := range train.classCounts(l.Classes) {
		if count > 0 {
			classes++
		}
	}
	if classes < 2 {
		return fail.New(fail.Usage, "Give photos of at least two classes.", "all %d training photos are of one class",
			len(train.Photos))
	}
	return nil
}

// diverged checks SGD's epochs for divergence. With features of an untrained network a head's
// units can be dead from the start; then the rate is not the cause.
func (f *fitting) diverged(ctx context.Context) error {
	same := f.sameLogits
	if same {
		start := newNetwork[float32](f.layout, f.val.Row)
		start.params = params[float32](initial(f.layout, f.options.Seed))
		samples := f.val.centreViews()
		results, err := start.predict(ctx, samples, false)
		if err != nil {
			return err
		}
		same = !sameLogits(f.layout, f.val.Row, samples, results)
	}
	return Diverged(f.layout.Classes, f.result.Epochs, f.result.BestEpoch, same, f.options.LR, divergedHint, "")
}

// fitting is the state of one call of Fit.
type fitting struct {
	layout     Layout
	train, val Data
	options    Options
	record     func(metrics.Epoch)
	result     Result
	sameLogits bool // of all val photos in the last epoch
}

// finish evaluates n on the val photos, completes e, records it, and reports whether
// its val accuracy is the highest so far.
func (f *fitting) finish(ctx context.Context, n *network[float32], samples []sample,
	e metrics.Epoch) (best bool, err error) {
	results, err := n.predict(ctx, samples, false)
	if err != nil {
		return false, err
	}
	correct := 0
	f.sameLogits = f.options.Solver != LBFGS && e.Epoch == f.options.Epochs &&
		sameLogits(f.layout, f.val.Row, samples, results)
	for i, r := range results {
		e.ValLoss += r.loss
		if r.class == samples[i].label {
			correct++
		}
	}
	if n := float64(len(samples)); n > 0 {
		e.ValLoss /= n
		e.ValAccuracy = float64(correct) / n
	}
	if !finite(e.ValLoss) {
		return false, fail.New(fail.NonFinite, nonFiniteHint, "the validation loss is %g in epoch %d", e.ValLoss,
			e.Epoch)
	}
	f.result.Epochs = append(f.result.Epochs, e)
	if f.record != nil {
		f.record(e)
	}
	best = e.Epoch == 1 || f.options.LastEpoch || e.ValAccuracy > f.result.BestValAccuracy
	if best {
		f.result.BestEpoch, f.result.BestValAccuracy = e.Epoch, e.ValAccuracy
	}
	return best, nil
}

// sameLogits reports whether all photos have the same logits although their features
// differ.
func sameLogits(l Layout, row func(int, []float32) []float32, samples []sample, results []prediction) bool {
	for _, r := range results {
		if first := results[0]; r.class != first.class || r.probability != first.probability ||
			r.logSumExp != first.logSumExp {
			return false
		}
	}
	if len(results) < 2 {
		return false
	}
	first := slices.Clone(row(samples[0].row, make([]float32, l.Features*l.Positions)))
	buffer := make([]float32, len(first))
	for _, s := range samples[1:] {
		if !slices.Equal(row(s.row, buffer), first) {
			return true
		}
	}
	return false
}

const (
	divergedHint  = "Take a smaller --lr, a tenth for a start; `fx lr-find` suggests one."
	nonFiniteHint = "Lower --lr; if that does not help, check the features with `fx features verify`."
	verifyHint    = "Check the features with `fx features verify`."
)
