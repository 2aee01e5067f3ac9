package classify

import (
	"math"
	"time"

	"fx/head"
	"fx/internal/durable"
	"fx/internal/headspec"
	"fx/internal/metrics"
	"fx/internal/modeldir"
	"fx/internal/training"
	"fx/internal/trainlog"
)

// stopwatch measures the epochs of a training and passes them on.
type stopwatch struct {
	start   time.Time
	lap     time.Time
	seconds []float64 // of each epoch
	pass    func(metrics.Epoch)
}

func newStopwatch(pass func(metrics.Epoch)) *stopwatch {
	now := time.Now()
	return &stopwatch{start: now, lap: now, pass: pass}
}

func (s *stopwatch) epoch(e metrics.Epoch) {
	now := time.Now()
	s.seconds = append(s.seconds, now.Sub(s.lap).Seconds())
	if s.pass != nil {
		s.pass(e)
	}
	s.lap = time.Now()
}

// fitLog returns the log of a head's training for trainlog.
func fitLog(o FitOptions, backbone string, s *stopwatch, r head.Result) trainlog.Log {
	all, _ := o.HeadRecord().Read()
	all["backbone"], all["trainable"] = backbone, "head"
	l := trainlog.Log{Start: s.start, Settings: all, Finished: true}
	rate := o.LR
	if o.Solver == training.LBFGS { // it has no learning rate
		rate = math.NaN()
	}
	for i, e := range r.Epochs {
		l.Epochs = append(l.Epochs, metrics.Epoch{
			Epoch: e.Epoch, LR: rate, TrainLoss: e.TrainLoss, TrainAccuracy: e.TrainAccuracy,
			ValLoss: e.ValLoss, ValAccuracy: e.ValAccuracy,
			TrainImagesPerSecond: math.NaN(), ValImagesPerSecond: math.NaN(), // evaluation is not timed separately
			Seconds: s.seconds[i],
		})
	}
	return l
}

// saveWithLog writes the MODEL and its log, and replaces earlier ones.
func saveWithLog(dir string, m modeldir.Model, p headspec.Params, l trainlog.Log) error {
	return modeldir.SaveWith(dir, m, p, func(r *durable.Replacement) error { return trainlog.Replace(r, dir, l) })
}
