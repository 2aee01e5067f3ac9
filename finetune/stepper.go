package finetune

import (
	"context"

	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/progress"
)

// Stepper does the training steps of Run one at a time, on photos that the
// caller puts into its memory, and leaves no folder. It serves to measure them.
// One goroutine at a time may use it.
type Stepper struct {
	network *artifacts.Network
	engine  *engine
	loader  *loader // draws dropout's random numbers; loads nothing
	batch   *batch
	rate    float64
}

// Outcome is what a batch gave.
type Outcome struct {
	Loss    float64 // mean over the batch
	Correct int     // right predictions in the batch
}

// NewStepper opens a network, gives it a fresh classifier for so many classes,
// and makes the training step for batches of o.BatchSize photos at the rate
// o.LR. What o says of photos, epochs, schedules, accumulation and checkpoints
// has no part in it, nor have class weights, which follow from a run's photos.
// The errors are those of Run.
func NewStepper(ctx context.Context, o Options, classes int, report progress.Reporter) (*Stepper, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	library, err := ort.Find(o.Library)
	if err != nil {
		return nil, err
	}
	rt, err := ort.Load(library)
	if err != nil {
		return nil, err
	}
	s := &Stepper{rate: o.LR}
	if s.network, err = startingPoint(ctx, o, classes, report); err != nil {
		return nil, err
	}
	if s.engine, err = newEngine(ctx, rt, ort.SessionOptions{Device: o.Device, ProfilePrefix: o.ProfilePrefix}, s.network, o.graph(s.network, nil), []int{o.BatchSize}, false); err != nil {
		return nil, err
	}
	s.loader = &loader{spec: s.network.Preprocess, seed: o.Seed, runtime: rt, noise: s.engine.noise()}
	if s.batch, err = s.loader.take(job{train: true, items: make([]int, o.BatchSize)}); err != nil {
		s.Close()
		return nil, err
	}
	clear(s.Images())
	clear(s.Labels())
	return s, nil
}

// startingPoint opens the network that the options begin with.
func startingPoint(ctx context.Context, o Options, classes int, report progress.Reporter) (n *artifacts.Network, err error) {
	var opened *extract.Network
	if o.Scratch {
		opened, n, err = openScratch(o.Network, classes, o.Seed)
	} else {
		opened, n, err = openNetwork(ctx, o.Network, classes, o.Seed, report)
	}
	if err != nil {
		return nil, err
	}
	for _, note := range opened.Notes {
		report.Note(note)
	}
	return n, nil
}

// Images is the memory of the photos, [batch, Crop, Crop, 3] in RGB, which
// starts black.
func (s *Stepper) Images() []uint8 { return ort.Data[uint8](s.batch.images.Tensor()) }

// Labels is the memory of the photos' classes, [batch], which start at 0.
func (s *Stepper) Labels() []int64 { return ort.Data[int64](s.batch.labels.Tensor()) }

// Crop is the number of pixels of a photo's side.
func (s *Stepper) Crop() int { return s.network.Preprocess.Crop }

// Runtime is the ONNX Runtime that does the steps.
func (s *Stepper) Runtime() ort.Library { return s.engine.runtime.Library() }

// Where says where the steps run and why, such as "cpu: asked for".
func (s *Stepper) Where() string { return s.engine.session().Why() }

// Step draws dropout's random numbers and trains on the photos that lie in the
// memory. Errors: fail.NonFinite where the loss is no number any more, and what
// ONNX Runtime reports.
func (s *Stepper) Step(ctx context.Context) (Outcome, error) {
	s.loader.drawNoise(s.batch)
	o, err := s.engine.step(ctx, s.batch, s.rate, share{first: true, last: true, part: 1})
	if err == errNonFinite {
		err = fail.New(fail.NonFinite, lowerRate, "the loss is %v in step %d", o.loss, s.batch.index+1)
	}
	s.batch.index++
	return Outcome{Loss: o.loss, Correct: o.correct}, err
}

// Close frees everything, and has a profile written where one was asked for.
func (s *Stepper) Close() {
	if s.batch != nil {
		s.batch.close()
	}
	s.engine.close()
}
