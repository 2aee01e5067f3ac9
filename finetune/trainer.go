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

// Trainer runs the training steps of Run one at a time, on the caller's batches, and
// writes no folder. Experiments estimate the time of a training with it, and benchmarks
// compare devices. Only one goroutine may use it at a time.
type Trainer struct {
	network *artifacts.Network
	engine  *engine
	size    int
	seed    uint64
	steps   int
}

// Outcome is the result of a training step on a batch.
type Outcome struct {
	Loss    float64 // mean over the batch, before the update
	Correct int     // correct predictions in the batch
}

// NewTrainer opens a network, gives it a new classifier for the number of classes, and
// builds the training step for batches of o.BatchSize photos. It ignores the options of
// photos, epochs, rates, accumulation, checkpoints and class weights. The errors are
// those of Run.
func NewTrainer(ctx context.Context, o Options, classes int, report progress.Reporter) (*Trainer, error) {
	o, err := o.resolved()
	if err != nil {
		return nil, err
	}
	rt, err := o.Runtime()
	if err != nil {
		return nil, err
	}
	s := &Trainer{size: o.BatchSize, seed: o.Seed}
	opened, network, err := openNetwork(ctx, o.Network, o.Scratch, classes, o.Seed, report)
	if err != nil {
		return nil, err
	}
	for _, note := range opened.Notes {
		report.Note(note)
	}
	s.network = network
	sessions := ort.SessionOptions{Device: o.Device, ProfilePrefix: o.ProfilePrefix}
	if s.engine, err = newEngine(ctx, rt, sessions, s.network, graph(o.Settings, s.network, nil), []int{s.size},
		false); err != nil {
		return nil, err
	}
	return s, nil
}

// ImageSize returns the side of a preprocessed photo in pixels.
func (s *Trainer) ImageSize() int { return s.network.Preprocess.Crop }

// Runtime returns the ONNX Runtime library that runs the steps.
func (s *Trainer) Runtime() nativelib.Library { return s.engine.runtime.Library() }

// Where returns the device of the steps and the reason for it, such as "cpu: asked for".
func (s *Trainer) Where() string { return s.engine.session().Why() }

// NewNotes returns the notes about where and how the steps run that it has not returned before.
func (s *Trainer) NewNotes() []string { return s.engine.newNotes() }

// TrainerBatch is a batch on the device.
type TrainerBatch struct{ batch *batch }

// Close frees the batch's memory.
func (b *TrainerBatch) Close() { b.batch.close() }

// Batch copies photos, uint8 [batch, size, size, 3], and their labels to the
// device. index determines dropout's random numbers.
func (s *Trainer) Batch(ctx context.Context, images []uint8, labels []int64, index int) (*TrainerBatch, error) {
	l := &loader{spec: s.network.Preprocess, seed: s.seed, session: s.engine.session(), noise: s.engine.noise()}
	b, err := l.allocate(job{train: true, index: index, items: make([]int, s.size)})
	if err != nil {
		return nil, err
	}
	if len(images) != len(ort.Data[uint8](b.images.Tensor())) || len(labels) != s.size {
		b.close()
		return nil, fail.New(fail.Usage, "", "%d bytes of photos and %d labels for %d photos of %d×%d pixels",
			len(images), len(labels), s.size, s.ImageSize(), s.ImageSize())
	}
	copy(ort.Data[uint8](b.images.Tensor()), images)
	copy(ort.Data[int64](b.labels.Tensor()), labels)
	l.drawNoise(b)
	if err := l.upload(ctx, b); err != nil {
		b.close()
		return nil, err
	}
	return &TrainerBatch{b}, nil
}

// Step trains on a batch. Errors: fail.NonFinite if the loss is not finite, and
// those of ONNX Runtime.
func (s *Trainer) Step(ctx context.Context, b *TrainerBatch, rate float64) (Outcome, error) {
	s.steps++
	o, err := s.engine.step(ctx, b.batch, rate, share{first: true, last: true, part: 1})
	if errors.Is(err, errNonFinite) {
		err = fail.New(fail.NonFinite, lowerRate, "the loss is %v in step %d", o.loss, s.steps)
	}
	return Outcome{Loss: o.loss, Correct: o.correct}, err
}

// State returns the current parameters, statistics and optimizer state, under the
// names of package artifacts.
func (s *Trainer) State(ctx context.Context) (*weights.StateDict, error) {
	return s.engine.state.copy(ctx)
}

// Close frees the device's memory and writes the profile, if Options.ProfilePrefix is set.
func (s *Trainer) Close() { s.engine.close() }
