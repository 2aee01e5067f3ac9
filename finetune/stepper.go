package finetune

import (
	"context"
	"errors"

	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/nativelib"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

// Stepper does the training steps of Run one at a time, on batches of the caller's,
// and leaves no folder: an experiment's plan says by it how long a training takes, and
// devices are compared by it. It is for one goroutine at a time.
type Stepper struct {
	network *artifacts.Network
	engine  *engine
	size    int
	seed    uint64
	steps   int
}

// Outcome is what a batch gave.
type Outcome struct {
	Loss    float64 // mean over the batch, before the update
	Correct int     // right predictions in the batch
}

// NewStepper opens a network, gives it a fresh classifier for so many classes, and
// makes the training step for batches of o.BatchSize photos. What o says of
// photos, epochs, rates, accumulation and checkpoints has no part in it, nor have
// class weights, which follow from a run's photos. The errors are those of Run.
func NewStepper(ctx context.Context, o Options, classes int, report progress.Reporter) (*Stepper, error) {
	o, err := o.resolved()
	if err != nil {
		return nil, err
	}
	rt, err := ort.Load(o.Library)
	if err != nil {
		return nil, err
	}
	s := &Stepper{size: o.BatchSize, seed: o.Seed}
	opened, network, err := openNetwork(ctx, o.Network, o.Scratch, classes, o.Seed, report)
	if err != nil {
		return nil, err
	}
	for _, note := range opened.Notes {
		report.Note(note)
	}
	s.network = network
	sessions := ort.SessionOptions{Device: o.Device, ProfilePrefix: o.ProfilePrefix}
	if s.engine, err = newEngine(ctx, rt, sessions, s.network, graph(o.Settings, s.network, nil), []int{s.size}, false); err != nil {
		return nil, err
	}
	return s, nil
}

// ImageSize is the number of pixels of a photo's side.
func (s *Stepper) ImageSize() int { return s.network.Preprocess.Crop }

// Runtime is the ONNX Runtime that does the steps.
func (s *Stepper) Runtime() nativelib.Library { return s.engine.runtime.Library() }

// Where says where the steps run and why, such as "cpu: asked for".
func (s *Stepper) Where() string { return s.engine.session().Why() }

// News are notes about where and how the steps run that were not given yet.
func (s *Stepper) News() []string { return s.engine.news() }

// StepperBatch is a batch on the device.
type StepperBatch struct{ batch *batch }

// Close frees the batch's memory.
func (b *StepperBatch) Close() { b.batch.close() }

// Batch brings photos, uint8 [batch, size, size, 3], and their labels to the
// device. index decides dropout's random numbers.
func (s *Stepper) Batch(ctx context.Context, images []uint8, labels []int64, index int) (*StepperBatch, error) {
	l := &loader{spec: s.network.Preprocess, seed: s.seed, session: s.engine.session(), noise: s.engine.noise()}
	b, err := l.take(job{train: true, index: index, items: make([]int, s.size)})
	if err != nil {
		return nil, err
	}
	if len(images) != len(ort.Data[uint8](b.images.Tensor())) || len(labels) != s.size {
		b.close()
		return nil, fail.New(fail.Usage, "", "%d bytes of photos and %d labels for %d photos of %d×%d pixels", len(images), len(labels), s.size, s.ImageSize(), s.ImageSize())
	}
	copy(ort.Data[uint8](b.images.Tensor()), images)
	copy(ort.Data[int64](b.labels.Tensor()), labels)
	l.drawNoise(b)
	if err := l.upload(ctx, b); err != nil {
		b.close()
		return nil, err
	}
	return &StepperBatch{b}, nil
}

// Step trains on a batch. Errors: fail.NonFinite where the loss is no number any
// more, and what ONNX Runtime reports.
func (s *Stepper) Step(ctx context.Context, b *StepperBatch, rate float64) (Outcome, error) {
	s.steps++
	o, err := s.engine.step(ctx, b.batch, rate, share{first: true, last: true, part: 1})
	if errors.Is(err, errNonFinite) {
		err = fail.New(fail.NonFinite, lowerRate, "the loss is %v in step %d", o.loss, s.steps)
	}
	return Outcome{Loss: o.loss, Correct: o.correct}, err
}

// State returns parameters, statistics and the optimizer's memory as they are
// now, under the names of artifacts.
func (s *Stepper) State(ctx context.Context) (*weights.StateDict, error) {
	return s.engine.state.copy(ctx)
}

// Close frees the device, and has a profile written where one was asked for.
func (s *Stepper) Close() { s.engine.close() }
