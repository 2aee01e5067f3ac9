package extract

import (
	"cmp"
	"context"
	"time"

	"fx/backbones"
	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/inference"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/photoio"
	"fx/internal/preprocess"
	"fx/internal/progress"
	"fx/internal/source"
)

// EmbedderOptions select a network and a device. The zero value of all fields but Network suits most callers.
type EmbedderOptions struct {
	environment.Environment

	Network   backbones.NetworkOptions
	Precision string // of weights and activations: Float32 (also "") or Float16; for a store, "" means the store's
	BatchSize int    // 0 means 64 on a GPU, and 8 or the network's own CPUBatch on a CPU
	Threads   int    // of each run of the network; 0 means 1, because the workers use all cores

	// ProfilePrefix, if not "", makes ONNX Runtime write a profile to PREFIX_TIME.json when the embedder is closed.
	ProfilePrefix string
}

// Default batch sizes. On a CPU, eight photos share each read of a fully connected layer's weights; a GPU needs more
// work at once.
const (
	cpuBatch = 8
	gpuBatch = 64
)

// maxBatch is a limit against mistyped numbers.
const maxBatch = 4096

// Check returns an error of kind fail.Usage for a number that is out of range and for an unknown precision.
func (o EmbedderOptions) Check() error {
	if o.BatchSize < 0 || o.BatchSize > maxBatch {
		return fail.New(fail.Usage, "Leave --batch-size out for the default.", "batch size %d must lie in 0–%d",
			o.BatchSize, maxBatch)
	}
	return cmp.Or(o.Environment.Check(), checkPrecision(o.Precision))
}

// gpuRuns is the number of batches on which a GPU works at once: one is computed while the other is copied.
const gpuRuns = 2

// FeatureNetwork is a network that is cut at its features and has its weights, but no device yet. It needs no ONNX
// Runtime.
type FeatureNetwork struct {
	backbones.Description
	GraphSHA256 string         // of the graph without weights
	Model       *pb.ModelProto // cut at the features

	options EmbedderOptions
	report  progress.Reporter
}

// OpenNetwork finds the network and its weights. Errors: fail.Usage for a wrong name or flag, fail.Model for bad
// weights.
func OpenNetwork(ctx context.Context, o EmbedderOptions, report progress.Reporter) (*FeatureNetwork, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	network, err := backbones.Open(ctx, o.Network, report)
	if err != nil {
		return nil, err
	}
	f := &FeatureNetwork{Description: network.Description, options: o, report: report}
	if f.Model, err = network.Features(); err != nil {
		return nil, err
	}
	f.GraphSHA256, err = backbones.GraphSHA256(f.Model)
	return f, err
}

// Device returns the device on which a network with these options would run. The error is of kind fail.Device if ONNX
// Runtime or the device that o names is not available.
func Device(o EmbedderOptions) (ort.Device, error) {
	rt, err := o.Runtime()
	if err != nil {
		return ort.Device{}, err
	}
	device, _, _, err := rt.Resolve(o.Device)
	return device, err
}

// Embedder is a frozen network on a device, which converts pixels to features. It is safe for concurrent use.
type Embedder struct {
	Network backbones.Description // its Backbone.FeatureShape is known

	session *ort.Session
	version string // of ONNX Runtime
	options EmbedderOptions
	batch   int
}

// OpenEmbedder finds a network and its weights and puts it on its device. Errors are those of OpenNetwork and of
// FeatureNetwork.Embedder.
func OpenEmbedder(ctx context.Context, o EmbedderOptions, report progress.Reporter) (*Embedder, error) {
	f, err := OpenNetwork(ctx, o, report)
	if err != nil {
		return nil, err
	}
	return f.Embedder()
}

// Embedder puts the network on its device, which gets its own copy of the weights; release f if it is not needed any
// more. The error is fail.Device if ONNX Runtime or the device is not available.
func (f *FeatureNetwork) Embedder() (*Embedder, error) {
	rt, err := f.options.Runtime()
	if err != nil {
		return nil, err
	}
	model := f.Model
	if f.options.Precision == Float16 {
		if model, err = backbones.Float16(model); err != nil {
			return nil, err
		}
	}
	session, err := inference.NewSession(rt, model, ort.SessionOptions{
		Device: f.options.Device, Threads: max(f.options.Threads, 1), Capture: true,
		ProfilePrefix: f.options.ProfilePrefix,
	})
	if err != nil {
		return nil, err
	}
	if f.options.Precision == Float16 && session.Device() == ort.CPU {
		f.report.Note(slowFloat16)
	}
	e := &Embedder{Network: f.Description, session: session, version: rt.Library().Version, options: f.options}
	e.batch = e.chooseBatch()
	if e.Network.Backbone.FeatureShape == nil {
		if err := e.measure(); err != nil {
			_ = session.Close() // the first error is the one to report
			return nil, err
		}
	}
	return e, nil
}

func (e *Embedder) chooseBatch() int {
	b := e.Network.Backbone
	switch {
	case b.Batch > 0:
		return b.Batch
	case e.options.BatchSize > 0:
		return e.options.BatchSize
	case e.onGPU():
		return gpuBatch
	}
	return cmp.Or(b.CPUBatch, cpuBatch)
}

func (e *Embedder) onGPU() bool { return e.session.Device().Kind == ort.CUDA.Kind }

// measure finds the shape of the features by running the network on black photos.
func (e *Embedder) measure() error {
	crop := e.Preprocess().Crop
	black := ort.NewTensor(make([]uint8, e.batch*viewLen(e.Preprocess())), e.pixelShape()...)
	outputs := make([]ort.Tensor, 1)
	err := e.session.Run(context.Background(), []ort.Tensor{black}, outputs)
	if err != nil {
		return fail.Wrap(fail.Usage, err, "Leave --crop out for the network's own size.",
			"%s does not take photos of %d×%d pixels", e.Network.Backbone.Name, crop, crop)
	}
	var shape []int
	for _, d := range outputs[0].Shape()[1:] {
		shape = append(shape, int(d))
	}
	e.Network.Backbone, err = e.Network.Backbone.WithFeatureShape(shape)
	return err
}

// Close releases the device.
func (e *Embedder) Close() error { return e.session.Close() }

// Session returns the session, which describes where the network runs.
func (e *Embedder) Session() *ort.Session { return e.session }

// RuntimeVersion returns the version of ONNX Runtime.
func (e *Embedder) RuntimeVersion() string { return e.version }

// Preprocess returns the preprocessing of the network's input.
func (e *Embedder) Preprocess() preprocess.Spec { return e.Network.Backbone.Preprocess }

// BatchSize returns the number of views in a Stage.
func (e *Embedder) BatchSize() int { return e.batch }

// FeatureLen returns the number of values in an embedding.
func (e *Embedder) FeatureLen() int {
	n := 1
	for _, d := range e.Network.Backbone.FeatureShape {
		n *= d
	}
	return n
}

// Runs returns the number of stages that should embed concurrently; more are not faster.
func (e *Embedder) Runs() int {
	if e.onGPU() {
		return gpuRuns
	}
	return e.options.WorkerCount()
}

// NewStage allocates the memory of a batch: on a GPU page-locked memory and memory of the device, on a CPU plain
// memory.
func (e *Embedder) NewStage() (Stage, error) {
	if e.onGPU() {
		return e.newDeviceStage()
	}
	return e.newHostStage(), nil
}

// pipeline returns a pipeline for photos.
func (e *Embedder) pipeline(decoder *imaging.Decoder, seed uint64, timeout time.Duration,
	photos func(item int) source.Source) *pipeline {
	return &pipeline{
		network: e, photos: photos, workers: e.options.WorkerCount(), runs: e.Runs(), shared: e.onGPU(), seed: seed,
		reader: e.options.NewReader(decoder, photoio.Options{Hash: true, Timeout: timeout}),
	}
}

// pixelShape returns the shape of a batch of views.
func (e *Embedder) pixelShape() []int64 {
	crop := int64(e.Preprocess().Crop)
	return []int64{int64(e.batch), crop, crop, 3}
}

// featureShape returns the shape of a batch of features.
func (e *Embedder) featureShape() []int64 {
	shape := []int64{int64(e.batch)}
	for _, d := range e.Network.Backbone.FeatureShape {
		shape = append(shape, int64(d))
	}
	return shape
}

var _ network = (*Embedder)(nil)
