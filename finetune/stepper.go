package finetune

import (
	"context"

	"fx/backbones"
	"fx/finetune/artifacts"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/preprocess"
	"fx/internal/weights"
)

// Stepper does training steps one at a time, exactly as Run does them, on
// batches of the caller's: for measurements, and to compare devices. It is for
// one goroutine at a time.
type Stepper struct {
	engine *engine
	spec   preprocess.Spec
	size   int
	seed   uint64
}

// StepperOptions say what NewStepper trains. Backbone is needed; Graph's zero
// value trains every parameter with plain SGD, one photo at a time.
type StepperOptions struct {
	Backbone string
	Seed     uint64 // of the weights, drawn as Options.Scratch does, and of dropout
	Classes  int    // 2 where 0
	Graph    artifacts.Options
	Device   ort.Device
	Library  string // path of libonnxruntime, "" to look for it
}

// NewStepper opens the training step of a registered network with random weights.
func NewStepper(ctx context.Context, o StepperOptions) (*Stepper, error) {
	library, err := ort.Find(o.Library)
	if err != nil {
		return nil, err
	}
	rt, err := ort.Load(library)
	if err != nil {
		return nil, err
	}
	b, err := backbones.Lookup(o.Backbone)
	if err != nil {
		return nil, err
	}
	values, err := backbones.InitialWeights(b, o.Seed)
	if err != nil {
		return nil, err
	}
	n, err := artifacts.FromBackbone(b, values, o.Seed)
	if err != nil {
		return nil, err
	}
	if o.Classes == 0 {
		o.Classes = 2
	}
	if err := n.SetClasses(o.Classes, o.Seed); err != nil {
		return nil, err
	}
	size := max(o.Graph.Batch, 1)
	e, err := newEngine(ctx, rt, o.Device, n, o.Graph, []int{size}, false)
	if err != nil {
		return nil, err
	}
	return &Stepper{engine: e, spec: n.Preprocess, size: size, seed: o.Seed}, nil
}

// ImageSize is the number of pixels of a photo's side.
func (s *Stepper) ImageSize() int { return s.spec.Crop }

// Why says on which device the steps run, and why.
func (s *Stepper) Why() string { return s.engine.session().Why() }

// News are notes about where and how the steps run that were not given yet.
func (s *Stepper) News() []string { return s.engine.news() }

// StepperBatch is a batch on the device.
type StepperBatch struct{ batch *batch }

// Close frees the batch's memory.
func (b *StepperBatch) Close() { b.batch.close() }

// Batch brings photos, uint8 [batch, size, size, 3], and their labels to the
// device. index decides dropout's random numbers.
func (s *Stepper) Batch(ctx context.Context, images []uint8, labels []int64, index int) (*StepperBatch, error) {
	l := &loader{spec: s.spec, seed: s.seed, session: s.engine.session(), noise: s.engine.noise()}
	b, err := l.take(job{train: true, index: index, items: make([]int, s.size)})
	if err != nil {
		return nil, err
	}
	if len(images) != len(ort.Data[uint8](b.images.Tensor())) || len(labels) != s.size {
		b.close()
		return nil, fail.New(fail.Usage, "", "%d bytes of photos and %d labels for %d photos of %d×%d pixels", len(images), len(labels), s.size, s.spec.Crop, s.spec.Crop)
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

// Step trains on a batch and returns the mean loss before the update.
func (s *Stepper) Step(ctx context.Context, b *StepperBatch, rate float64) (loss float64, err error) {
	o, err := s.engine.step(ctx, b.batch, rate, share{first: true, last: true, part: 1})
	return o.loss, err
}

// State returns parameters, statistics and the optimizer's memory as they are
// now, under the names of artifacts.
func (s *Stepper) State(ctx context.Context) (*weights.StateDict, error) {
	state, err := s.engine.state.read(ctx)
	if err != nil {
		return nil, err
	}
	whole := weights.NewStateDict() // apart from the memory that steps write to
	for _, name := range state.Names() {
		t, _ := state.Get(name)
		t.Data = append([]byte(nil), t.Data...)
		whole.Set(name, t)
	}
	return whole, nil
}

// Close frees the device.
func (s *Stepper) Close() { s.engine.close() }
