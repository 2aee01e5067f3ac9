package head

import (
	"context"

	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/random"
)

// schedule determines the samples of an epoch, their order, and dropout's masks.
type schedule struct {
	order func(epoch int) []sample
	drop  func(epoch int) *dropout
}

// newSchedule shuffles the photos in each epoch, draws one view of each, and
// draws the masks of dropout, all keyed by the seed and the epoch.
func newSchedule(l Layout, train Data, o Options) schedule {
	return schedule{
		order: func(epoch int) []sample {
			samples := make([]sample, len(train.Photos))
			for i, photo := range random.New(o.Seed, "head order", uint64(epoch)).Perm(len(train.Photos)) {
				p := train.Photos[photo]
				view := 0
				if len(p.Rows) > 1 {
					view = random.New(o.Seed, "head view", uint64(epoch), uint64(photo)).IntN(len(p.Rows))
				}
				samples[i] = sample{photo: photo, row: p.Rows[view], label: p.Label}
			}
			return samples
		},
		drop: func(epoch int) *dropout { return newDropout(l.Dropout, o.Seed, epoch) },
	}
}

// sgd trains like the tutorial's train_model with torch.optim.SGD. It changes initial in
// place: at the end it is the parameters of the last epoch.
func (f *fitting) sgd(ctx context.Context, initial Params, plan schedule) error {
	o := f.options
	train := newNetwork[float32](f.layout, f.train.Row)
	train.params = params[float32](initial)
	val := newNetwork[float32](f.layout, f.val.Row)
	val.params = train.params
	valSamples := f.val.centreViews()
	update := newSGDStep(train, min(o.BatchSize, len(f.train.Photos)))
	for epoch := 1; epoch <= o.Epochs; epoch++ {
		e := metrics.Epoch{Epoch: epoch}
		order, drop := plan.order(epoch), plan.drop(epoch)
		correct := 0
		for batch := 0; batch*o.BatchSize < len(order); batch++ {
			samples := order[batch*o.BatchSize : min((batch+1)*o.BatchSize, len(order))]
			out, err := update.step(ctx, objective{samples, o.ClassWeights, drop}, o)
			if err != nil {
				return err
			}
			if !finite(out.loss) {
				return fail.New(fail.NonFinite, nonFiniteHint, "the training loss is %g in epoch %d, batch %d",
					out.loss, epoch, batch+1)
			}
			e.TrainLoss += out.loss * float64(len(samples))
			correct += out.correct
		}
		e.TrainLoss /= float64(len(order))
		e.TrainAccuracy = float64(correct) / float64(len(order))
		best, err := f.finish(ctx, val, valSamples, e)
		if err != nil {
			return err
		}
		if best {
			f.result.Params = clone(Params(train.params))
		}
	}
	return nil
}

// step updates parameters as torch.optim.SGD does with dampening 0; velocity is
// 0 before the first step. Source: torch/optim/sgd.py, _single_tensor_sgd.
func (o Options) step(parameters, gradient, velocity []float32) {
	const piece = 1 << 16
	lr, momentum, decay := float32(o.LR), float32(o.Momentum), float32(o.WeightDecay)
	pieces := (len(parameters) + piece - 1) / piece
	parallel(workersFor(pieces), pieces, func(_, i int) {
		from, to := i*piece, min((i+1)*piece, len(parameters))
		p, g, v := parameters[from:to], gradient[from:to], velocity[from:to]
		for j := range p {
			v[j] = momentum*v[j] + (g[j] + decay*p[j])
			p[j] -= lr * v[j]
		}
	})
}
