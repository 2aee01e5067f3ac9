package head

import (
	"context"

	"fx/internal/rangetest"
)

// RangeTest looks for a learning rate for SGD: it trains new heads of layout l on train,
// with seeds from o.Seed on, like Fit but with a rate that rises with every batch, and
// discards them. It ignores o.LR, o.Epochs and o.Solver. Errors are those of Fit and of
// rangetest.Run.
func RangeTest(ctx context.Context, l Layout, train Data, o Options, test rangetest.Options) (rangetest.Result, error) {
	if err := test.Check(); err != nil {
		return rangetest.Result{}, err
	}
	o.Solver, o.Epochs, o.LR = SGD, 1, test.MinLR
	if err := checkFit(l, train, train, o); err != nil {
		return rangetest.Result{}, err
	}
	n := newNetwork[float32](l, train.Row)
	return rangetest.Run(ctx, test, func(_ context.Context, repeat int) (rangetest.Update, error) {
		of := o
		of.Seed += uint64(repeat)
		n.params = params[float32](initial(l, of.Seed))
		t := &trial{sgd: newSGDStep(n, min(of.BatchSize, len(train.Photos))), options: of,
			plan: newSchedule(l, train, of)}
		return t.update, nil
	})
}

// trial is one training of a RangeTest.
type trial struct {
	sgd     sgdStep
	options Options
	plan    schedule
	epoch   int
	order   []sample // the rest of the epoch
	drop    *dropout
}

// update does the next step at a rate and returns the loss before it. If the loss is
// not finite, it changes nothing.
func (t *trial) update(ctx context.Context, rate float64) (float64, error) {
	if len(t.order) == 0 {
		t.epoch++
		t.order, t.drop = t.plan.order(t.epoch), t.plan.drop(t.epoch)
	}
	batch := t.order[:min(t.options.BatchSize, len(t.order))]
	t.order = t.order[len(batch):]
	t.options.LR = rate
	out, err := t.sgd.step(ctx, objective{batch, t.options.ClassWeights, t.drop}, t.options)
	return out.loss, err
}
