package finetune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"fx/head"
	"fx/internal/fail"
	"fx/internal/metrics"
)

// lowerRate is the hint for a training that diverged.
const lowerRate = "Take a smaller --lr (`fx lr-find` suggests one), or bound the gradients with --clip-grad-norm 1."

// saveInterval is the time after which a long epoch saves last/ in its middle.
const saveInterval = 5 * time.Minute

// tally sums the outcomes of batches. JSON keeps its values exactly, so that a
// resumed epoch ends in the same sums.
type tally struct {
	Loss    float64 `json:"loss"`   // weighted sum
	Weight  float64 `json:"weight"` // of the batches in it
	Correct int     `json:"correct"`
	Photos  int     `json:"photos"`
	Seconds float64 `json:"seconds"`

	logits sameLogits // of the last epoch's val photos
}

func (t *tally) add(o outcome, photos int) {
	t.Loss += o.loss * o.weight
	t.Weight += o.weight
	t.Correct += o.correct
	t.Photos += photos
}

func (t tally) loss() float64     { return t.Loss / t.Weight }
func (t tally) accuracy() float64 { return float64(t.Correct) / float64(t.Photos) }
func (t tally) rate() float64     { return float64(t.Photos) / t.Seconds }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// train runs the epochs that follow the newest checkpoint.
func (r *run) train(ctx context.Context) (Result, error) {
	s, err := r.resume(ctx)
	if err != nil {
		return Result{}, err
	}
	if r.record.Started.IsZero() { // of an older fx
		r.record.Started = s.start(time.Now())
	}
	r.reportStart()
	if s.Position == (position{}) {
		if s.SameAtStart, err = r.hasSameLogits(ctx); err != nil {
			return Result{}, err
		}
	}
	l := r.startLoader(ctx, s.Position)
	defer l.stop()
	for s.Position.Epoch < r.plan.epochs {
		if err := r.epoch(ctx, l, &s); err != nil {
			return Result{}, err
		}
	}
	if err := r.checkConverged(s); err != nil {
		return Result{}, err
	}
	if s.SameLogits {
		r.note("the network gives every val photo the same logits, as it did before its first step: it learned nothing")
	}
	return r.finish(ctx, s)
}

// checkConverged returns an error if the last epoch shows that the training diverged
// although its loss is finite. The checkpoints are kept. A network may have no live
// unit even before its first step, such as SqueezeNet's classifier behind its ReLU;
// that is not an error of the training.
func (r *run) checkConverged(s saved) error {
	if len(s.Epochs) == 0 {
		return nil
	}
	dead := s.SameLogits && !s.SameAtStart
	return head.Diverged(len(r.photos.Classes), s.Epochs, s.BestEpoch, dead, r.options.LR, lowerRate, r.remaining())
}

// startLoader starts to load the batches that follow the position.
func (r *run) startLoader(ctx context.Context, from position) *loader {
	l := &loader{photos: r.photos, spec: r.network.Preprocess, seed: r.options.Seed, session: r.engine.session(),
		noise: r.engine.noise()}
	var kinds []kind
	for _, size := range r.plan.sizes() {
		kinds = append(kinds, kind{size, true})
	}
	kinds = append(kinds, kind{min(r.plan.batch, len(r.plan.val)), false}, kind{len(r.plan.val) % r.plan.batch, false})
	l.start(ctx, r.plan.from(from), r.options.WorkerCount(), kinds)
	return l
}

// resume loads the newest checkpoint, if there is one, into the engine.
func (r *run) resume(ctx context.Context) (saved, error) {
	values, s, found, err := r.load()
	if err != nil {
		return s, err
	}
	if !found {
		s = saved{Run: r.record.ID, Epochs: []metrics.Epoch{}}
		s.Random.Generator, s.Random.Seed = "Philox4x32-10", r.options.Seed
		return s, nil
	}
	r.report.Note(fmt.Sprintf("resuming after %s", s.Position))
	r.newest = s.Position
	return s, r.engine.state.set(ctx, values)
}

// epoch trains the rest of an epoch, evaluates, and saves.
func (r *run) epoch(ctx context.Context, l *loader, s *saved) error {
	if err := r.trainPhase(ctx, l, s); err != nil {
		return r.interrupted(ctx, s, err)
	}
	val, err := r.valPhase(ctx, l, s.Position.Epoch)
	if err != nil {
		return r.interrupted(ctx, s, err)
	}
	train := s.Running
	e := metrics.Epoch{
		Epoch: s.Position.Epoch + 1, LR: r.options.rate((s.Position.Epoch+1)*r.plan.steps()-1, r.plan.steps()),
		TrainLoss: train.loss(), TrainAccuracy: train.accuracy(), TrainImagesPerSecond: train.rate(),
		ValLoss: val.loss(), ValAccuracy: val.accuracy(), ValImagesPerSecond: val.rate(),
		Seconds: train.Seconds + val.Seconds,
	}
	r.report.Note(fmt.Sprintf("epoch %d of %d: train loss %.4f acc %.4f (%.1f images/s), val loss %.4f acc %.4f (%.1f "+
		"images/s)",
		e.Epoch, r.plan.epochs, e.TrainLoss, e.TrainAccuracy, e.TrainImagesPerSecond, e.ValLoss, e.ValAccuracy,
		e.ValImagesPerSecond))
	s.Epochs = append(s.Epochs, e)
	s.Seconds += e.Seconds
	s.Position, s.Running, s.SameLogits = position{Epoch: e.Epoch}, tally{}, val.logits.all()
	if !finite(e.ValLoss) {
		return fail.New(fail.NonFinite, lowerRate, "the val loss of epoch %d is %v; %s", e.Epoch, e.ValLoss,
			r.remaining())
	}
	return r.saveEpoch(context.WithoutCancel(ctx), s, e) // Ctrl+C now must not lose the epoch
}

// saveEpoch saves the newest epoch, and also as the best if its val accuracy is.
func (r *run) saveEpoch(ctx context.Context, s *saved, e metrics.Epoch) error {
	values, err := r.engine.state.read(ctx)
	if err != nil {
		return err
	}
	r.warnOfLossScale(values)
	if s.BestEpoch == 0 || e.ValAccuracy > s.BestAccuracy {
		s.BestEpoch, s.BestAccuracy = e.Epoch, e.ValAccuracy
		if err := r.save(bestName, values, *s); err != nil {
			return err
		}
	}
	if err := r.save(lastName, values, *s); err != nil {
		return err
	}
	return r.write(s.Epochs)
}

// trainPhase runs the remaining steps of the epoch.
func (r *run) trainPhase(ctx context.Context, l *loader, s *saved) error {
	steps := r.plan.steps()
	task := r.report.Begin(fmt.Sprintf("train epoch %d", s.Position.Epoch+1),
		int64(len(r.plan.train)-s.Running.Photos), "images")
	defer task.End()
	start, before, savedAt := time.Now(), s.Running.Seconds, time.Now()
	for s.Position.Step < steps {
		b, err := l.next(ctx)
		if err != nil {
			return err
		}
		rate := r.options.rate(s.Position.Epoch*steps+s.Position.Step, steps)
		o, err := r.engine.step(ctx, b, rate, r.plan.share(s.Position.Step))
		photos := len(b.items)
		l.release(b)
		r.reportNewNotes()
		if err != nil {
			if errors.Is(err, errNonFinite) {
				return fail.New(fail.NonFinite, lowerRate, "the loss is %v in step %d, batch %d of epoch %d; %s",
					o.loss, s.Position.Epoch*steps+s.Position.Step+1, s.Position.Step+1, s.Position.Epoch+1,
					r.remaining())
			}
			return err
		}
		s.Running.add(o, photos)
		s.Position.Step++
		s.Running.Seconds = before + time.Since(start).Seconds()
		task.Add(int64(photos))
		every := r.options.CheckpointSteps
		if due := every > 0 && s.Position.Step%every == 0 || every == 0 && time.Since(savedAt) > saveInterval; due &&
			s.Position.Step < steps {
			if err := r.saveLast(ctx, s); err != nil {
				return err
			}
			savedAt = time.Now()
		}
	}
	return nil
}

// remaining describes the checkpoint that remains after an error.
func (r *run) remaining() string {
	if r.newest == (position{}) {
		return "no checkpoint has been saved yet"
	}
	return fmt.Sprintf("the checkpoint after %s is kept", r.newest)
}

func (r *run) saveLast(ctx context.Context, s *saved) error {
	values, err := r.engine.state.read(ctx)
	if err != nil {
		return err
	}
	return r.save(lastName, values, *s)
}

// valPhase evaluates the val photos.
func (r *run) valPhase(ctx context.Context, l *loader, epoch int) (tally, error) {
	var t tally
	task := r.report.Begin(fmt.Sprintf("val epoch %d", epoch+1), int64(len(r.plan.val)), "images")
	defer task.End()
	start := time.Now()
	for t.Photos < len(r.plan.val) {
		b, err := l.next(ctx)
		if err != nil {
			return t, err
		}
		o, err := r.engine.evaluate(ctx, b)
		photos := len(b.items)
		if err == nil && epoch == r.plan.epochs-1 {
			err = t.logits.add(ctx, r.engine.eval, b)
		}
		l.release(b)
		r.reportNewNotes()
		if err != nil {
			return t, err
		}
		t.add(o, photos)
		task.Add(int64(photos))
	}
	t.Seconds = time.Since(start).Seconds()
	return t, nil
}

// interrupted saves the position of an interrupted run, which is between two steps.
func (r *run) interrupted(ctx context.Context, s *saved, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) || s.Position == (position{}) {
		return err
	}
	if saveErr := r.saveLast(context.WithoutCancel(ctx), s); saveErr != nil {
		return errors.Join(saveErr, err)
	}
	r.report.Note(fmt.Sprintf("stopped after %s and saved a checkpoint", s.Position))
	return fail.Wrap(fail.Interrupted, err, "--resume continues from there.", "")
}
