package finetune

import (
	"context"
	"errors"
	"runtime"

	"fx/extract"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/progress"
	"fx/internal/rangetest"
	"fx/internal/training"
)

// RangeTestResult is the result of a range test on photos, with its inputs.
type RangeTestResult struct {
	rangetest.Result
	Backbone          string             `json:"backbone"`
	ParametersTrained int                `json:"parameters_trained"`
	Photos            int                `json:"photos"` // training photos
	Provider          string             `json:"provider"`
	Rejected          []extract.BadPhoto `json:"rejected"` // photos that can't be used
	Notes             []string           `json:"notes"`
	Untrained         string             `json:"-"` // as of backbones.Description
}

// RangeTest looks for the learning rate of Run with the same options: it performs a
// run's updates on a run's batches at a rate that rises with each update, and writes
// only o.Network.Lock. It ignores o.Out, Resume, the epochs, the rate and its schedule.
// Errors are those of Run and of rangetest.Run.
func RangeTest(ctx context.Context, o Options, test rangetest.Options,
	report progress.Reporter) (RangeTestResult, error) {
	if err := test.Check(); err != nil {
		return RangeTestResult{}, err
	}
	o.LR, o.Epochs, o.Schedule, o.WarmupEpochs = test.MinLR, 1, training.Constant, 0
	o, err := o.resolved()
	if err != nil {
		return RangeTestResult{}, err
	}
	r := &run{options: o, report: report}
	if r.photos, err = openPhotos(ctx, o, dataset.NoEvaluation); err != nil {
		return RangeTestResult{}, err
	}
	r.reportPhotos()
	if err := r.prepare(ctx); err != nil {
		return RangeTestResult{}, err
	}
	if err := o.Network.Lock.Hold(ctx, r.opened.Inputs...); err != nil {
		return RangeTestResult{}, err
	}
	if err := r.openRuntime(); err != nil {
		return RangeTestResult{}, err
	}
	result, err := r.rangeTest(ctx, test)
	if r.engine != nil {
		defer r.engine.close()
	}
	return result, r.addMemoryHint(ctx, err)
}

func (r *run) rangeTest(ctx context.Context, test rangetest.Options) (RangeTestResult, error) {
	r.plan = plan{seed: r.options.Seed, train: r.photos.train, batch: r.options.BatchSize,
		accumulate: r.options.Accumulate}
	whole := true
	if need := test.Steps * test.Repeats * r.plan.accumulate * r.plan.batch; need < len(r.plan.train) {
		r.photos.train, whole = r.plan.order(0)[:need], false // the test uses no others
	}
	if err := r.photos.vet(ctx, r.options.WorkerCount(), r.report); err != nil {
		return RangeTestResult{}, err
	}
	if err := r.reportRejected(); err != nil {
		return RangeTestResult{}, err
	}
	if whole {
		if err := r.photos.checkClasses(); err != nil {
			return RangeTestResult{}, err
		}
	}
	if err := r.photos.checkBatch(r.options.BatchSize); err != nil {
		return RangeTestResult{}, err
	}
	r.plan.train = r.photos.train
	updates := (r.plan.steps() + r.plan.accumulate - 1) / r.plan.accumulate // in an epoch
	epochs := (test.Steps + updates - 1) / updates                          // in a repeat
	r.plan.epochs = epochs * test.Repeats
	r.threads = runtime.GOMAXPROCS(0)
	if err := r.startEngine(ctx); err != nil {
		return RangeTestResult{}, err
	}
	r.reportStart()
	initial, err := r.engine.state.copy(ctx)
	if err != nil {
		return RangeTestResult{}, err
	}
	var l *loader
	defer func() {
		if l != nil {
			l.stop()
		}
	}()
	task := r.report.Begin("range test", int64(test.Steps*test.Repeats), "steps")
	defer task.End()
	found, err := rangetest.Run(ctx, test, func(ctx context.Context, repeat int) (rangetest.Update, error) {
		if l != nil {
			l.stop()
		}
		// Each repeat starts from the same classifier, with the photos and dropout of later epochs.
		l = r.startLoader(ctx, position{Epoch: repeat * epochs})
		return func(ctx context.Context, rate float64) (float64, error) {
			task.Add(1)
			return r.updateAt(ctx, l, rate)
		}, r.engine.state.set(ctx, initial)
	})
	return RangeTestResult{
		Result: found, Backbone: r.network.Name, ParametersTrained: r.parameters(), Photos: len(r.plan.train),
		Provider: r.provider, Rejected: append([]extract.BadPhoto{}, r.photos.rejected...),
		Notes: notes(r.opened.Notes, r.network.Notes, r.record.Notes), Untrained: r.opened.Untrained,
	}, err
}

// updateAt performs the next update, of one or more batches, and returns the mean
// loss before it, finite or not.
func (r *run) updateAt(ctx context.Context, l *loader, rate float64) (float64, error) {
	var t tally
	for last := false; !last; {
		b, err := l.next(ctx)
		if err != nil {
			if fail.KindOf(err) == fail.Rejected {
				err = fail.Wrap(fail.Rejected, err, "It was usable when the test began: restore it and test again.",
					"range test")
			}
			return 0, err
		}
		share := r.plan.share(b.index)
		o, err := r.engine.step(ctx, b, rate, share)
		photos := len(b.items)
		l.release(b)
		r.reportNewNotes()
		if errors.Is(err, errNonFinite) {
			return o.loss, nil
		}
		if err != nil {
			return 0, err
		}
		t.add(o, photos)
		last = share.last
	}
	return t.loss(), nil
}
