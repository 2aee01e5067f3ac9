package extract

import (
	"cmp"
	"context"
	"runtime"
	"sync"

	"fx/backbones"
	"fx/internal/fail"
	"fx/internal/frozen"
	"fx/internal/imaging"
	"fx/internal/onnx/pb"
	"fx/internal/ort"
	"fx/internal/photoio"
	"fx/internal/preprocess"
	"fx/internal/progress"
)

// EmbedderOptions says which network to take, and where to run it. The zero
// value of everything but Network serves.
type EmbedderOptions struct {
	Network   NetworkOptions
	Device    ort.Device
	Precision string // of weights and activations: Float32 (also "") or Float16; "" goes on as a store began
	BatchSize int    // 0 means 8 on a CPU, or the network's own CPUBatch, and 64 on a GPU
	Workers   int    // goroutines that decode and run; 0 means one for each CPU
	Threads   int    // of one run of the network; 0 means 1, since the workers fill the cores
	Library   string // path of libonnxruntime, "" to look for it

	// DecodeMemory bounds the bytes that all photos take while they are decoded; 0 means
	// photoio's choice.
	DecodeMemory int64

	// ProfilePrefix, where not empty, has ONNX Runtime write a profile to
	// PREFIX_TIME.json when the embedder closes.
	ProfilePrefix string
}

// Default batch sizes. On a CPU eight photos suffice to read the weights of a
// fully connected layer seldom; a GPU wants more in flight.
const (
	cpuBatch = 8
	gpuBatch = 64
)

// Bounds on what a slip of the keyboard can ask for.
const maxBatch, maxWorkers = 4096, 1024

// gpuRuns is how many batches a GPU works on at once: one computes while the other is copied.
const gpuRuns = 2

// Embedder is a frozen network that runs on a device. It is safe for concurrent
// use once it is open.
type Embedder struct {
	Network     *Network
	GraphSHA256 string // of the network cut at its features, without weights

	options  EmbedderOptions
	report   progress.Reporter
	features *pb.ModelProto // until it is open
	opening  sync.Mutex
	session  *ort.Session
	version  string // of ONNX Runtime
	batch    int
}

// NewEmbedder finds the network and its weights. It does not need ONNX
// Runtime yet: Open does. Errors: fail.Usage for a wrong name or flag, fail.Model for bad weights.
func NewEmbedder(ctx context.Context, o EmbedderOptions, report progress.Reporter) (*Embedder, error) {
	if o.BatchSize < 0 || o.BatchSize > maxBatch || o.Workers < 0 || o.Workers > maxWorkers {
		return nil, fail.New(fail.Usage, "Leave --batch-size and --workers out for the defaults.",
			"batch size %d and workers %d must lie in 0–%d and 0–%d", o.BatchSize, o.Workers, maxBatch, maxWorkers)
	}
	if err := checkPrecision(o.Precision); err != nil {
		return nil, err
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	network, err := OpenNetwork(ctx, o.Network, report)
	if err != nil {
		return nil, err
	}
	e := &Embedder{Network: network, options: o, report: report}
	if e.features, err = network.Features(); err != nil {
		return nil, err
	}
	e.GraphSHA256, err = backbones.GraphSHA256(e.features)
	return e, err
}

// Open puts the network on its device. Opening twice does nothing. Errors:
// fail.Device where ONNX Runtime or the device is not to be had.
func (e *Embedder) Open() error {
	e.opening.Lock()
	defer e.opening.Unlock()
	if e.session != nil {
		return nil
	}
	rt, err := ort.Load(e.options.Library)
	if err != nil {
		return err
	}
	features := e.features
	if e.options.Precision == Float16 {
		if features, err = backbones.Float16(features); err != nil {
			return err
		}
	}
	session, err := frozen.NewSession(rt, features, ort.SessionOptions{
		Device: e.options.Device, Threads: max(e.options.Threads, 1), Capture: true, ProfilePrefix: e.options.ProfilePrefix,
	})
	if err != nil {
		return err
	}
	if e.options.Precision == Float16 && session.Device() == ort.CPU {
		e.report.Note(slowFloat16)
	}
	e.version, e.batch = rt.Library().Version, e.options.BatchSize
	if e.batch == 0 {
		e.batch = cmp.Or(e.Network.Backbone.CPUBatch, cpuBatch)
		if session.Device().Kind == ort.CUDA.Kind {
			e.batch = gpuBatch
		}
	}
	if fixed := e.Network.Backbone.Batch; fixed > 0 {
		e.batch = fixed
	}
	if e.Network.Backbone.FeatureShape == nil {
		shape, err := e.measure(session)
		if err == nil {
			e.Network.Backbone, err = e.Network.Backbone.WithFeatureShape(shape)
		}
		if err != nil {
			_ = session.Close() // the first error is the one to report
			return err
		}
	}
	e.session = session
	e.features, e.Network.state, e.Network.model, e.Network.file.Weights = nil, nil, nil, nil // the session holds the weights now: a second copy would stay for the whole run
	return nil
}

// measure runs one black photo to see the shape of its features.
func (e *Embedder) measure(session *ort.Session) ([]int, error) {
	batch, crop := int64(e.batch), int64(e.Preprocess().Crop)
	outputs := make([]ort.Tensor, 1)
	err := session.Run(context.Background(),
		[]ort.Tensor{ort.NewTensor(make([]uint8, batch*crop*crop*3), batch, crop, crop, 3)}, outputs)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "Leave --crop out for the network's own size.",
			"%s does not take photos of %d×%d pixels", e.Network.Backbone.Name, crop, crop)
	}
	var shape []int
	for _, d := range outputs[0].Shape()[1:] {
		shape = append(shape, int(d))
	}
	return shape, nil
}

// Close frees the device.
func (e *Embedder) Close() error {
	if e.session == nil {
		return nil
	}
	return e.session.Close()
}

// Session tells where the network runs. The embedder is open.
func (e *Embedder) Session() *ort.Session { return e.session }

// RuntimeVersion is that of ONNX Runtime. The embedder is open.
func (e *Embedder) RuntimeVersion() string { return e.version }

// Preprocess is what the network expects of a photo.
func (e *Embedder) Preprocess() preprocess.Spec { return e.Network.Backbone.Preprocess }

// BatchSize is the number of views that one Embed takes. The embedder is open.
func (e *Embedder) BatchSize() int { return e.batch }

// FeatureLen is the number of values in one embedding.
func (e *Embedder) FeatureLen() int {
	n := 1
	for _, d := range e.Network.Backbone.FeatureShape {
		n *= d
	}
	return n
}

// pipeline runs photos through the embedder, which is open unless there are none.
func (e *Embedder) pipeline(decoder *imaging.Decoder, seed uint64, path func(item int) string) *pipeline {
	reader := photoio.NewReader(decoder, photoio.Options{Memory: e.options.DecodeMemory, Hash: true})
	p := &pipeline{network: e, reader: reader, path: path, workers: e.options.Workers, runs: e.options.Workers, seed: seed}
	if e.session != nil && e.session.Device().Kind == ort.CUDA.Kind {
		p.runs, p.staged = gpuRuns, true
	}
	return p
}

// Embed runs the network on pixels, uint8 [BatchSize, crop, crop, 3], and fills
// features, float32 [BatchSize, FeatureLen]. The embedder is open.
func (e *Embedder) Embed(ctx context.Context, pixels []uint8, features []float32) error {
	return e.session.Run(ctx,
		[]ort.Tensor{ort.NewTensor(pixels, e.pixelShape()...)},
		[]ort.Tensor{ort.NewTensor(features, e.featureShape()...)})
}

// pixelShape is that of a batch of views.
func (e *Embedder) pixelShape() []int64 {
	crop := int64(e.Preprocess().Crop)
	return []int64{int64(e.batch), crop, crop, 3}
}

// featureShape is that of a batch's features.
func (e *Embedder) featureShape() []int64 {
	shape := []int64{int64(e.batch)}
	for _, d := range e.Network.Backbone.FeatureShape {
		shape = append(shape, int64(d))
	}
	return shape
}

var _ network = (*Embedder)(nil)
var _ stagedNetwork = (*Embedder)(nil)
