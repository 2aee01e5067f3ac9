package main

import (
	"context"
	"flag"
	"io"
	"runtime"
	"strings"
	"time"

	"fx/finetune"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/random"
	"fx/internal/weights"
)

// stepOptions describe the step to measure. They are the same for every peer.
type stepOptions struct {
	backbone      string
	batch         int
	classes       int
	crop          int // pixels of a photo's side, 0 for the network's own
	threads       int
	warmup, steps int
	device        string
}

func (o *stepOptions) flags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.backbone, "backbone", "", "a registered `NAME`")
	flags.StringVar(&o.device, "device", "cpu", "cpu, cuda or cuda:N")
	flags.IntVar(&o.batch, "batch-size", 8, "photos a step")
	flags.IntVar(&o.classes, "classes", 2, "outputs of the classifier")
	flags.IntVar(&o.crop, "crop", 0, "pixels of a photo's side (default: the network's own)")
	flags.IntVar(&o.threads, "threads", 2, "threads of a step")
	flags.IntVar(&o.warmup, "warmup", 3, "steps before the measured ones")
	flags.IntVar(&o.steps, "steps", 10, "measured steps")
	return flags
}

func (o *stepOptions) check() error {
	if o.batch < 1 || o.classes < 2 || o.crop < 0 || o.threads < 1 || o.warmup < 0 || o.steps < 1 {
		return fail.New(fail.Usage, "--help says what they mean.", "a size is out of range: %+v", *o)
	}
	return nil
}

// measurement is the result of one process. The peers print the same JSON.
type measurement struct {
	Milliseconds []float64         `json:"milliseconds"` // of each measured step
	Losses       []float64         `json:"losses"`       // of every step, warm-up first
	Versions     map[string]string `json:"versions"`
	Note         string            `json:"note,omitempty"` // how the step differs from the others
}

// measure trains for the number of steps in o.
func measure(ctx context.Context, o stepOptions) (measurement, error) {
	m, close, err := train(ctx, o, "")
	if err != nil {
		return measurement{}, err
	}
	close()
	return m, nil
}

// train is measure with a profile of ONNX Runtime, if the prefix for its name is not
// empty; close writes it.
func train(ctx context.Context, o stepOptions, profilePrefix string) (measurement, func(), error) {
	var m measurement
	if err := o.check(); err != nil {
		return m, nil, err
	}
	device, err := ort.ParseDevice(o.device)
	if err != nil {
		return m, nil, err
	}
	runtime.GOMAXPROCS(o.threads) // which is ONNX Runtime's number of threads too
	options := finetune.Defaults()
	options.Network.Backbone, options.Network.Weights = o.backbone, weights.Seed(0)
	options.Resize, options.Crop = o.crop, o.crop
	options.BatchSize, options.Device, options.ProfilePrefix = o.batch, device, profilePrefix
	trainer, err := finetune.NewTrainer(ctx, options, o.classes, progress.Discard)
	if err != nil {
		return m, nil, err
	}
	photos, labels := noise(trainer.ImageSize(), o)
	for i := range o.warmup + o.steps {
		start := time.Now()
		// Drawing dropout's random numbers is a part of PyTorch's step too.
		batch, err := trainer.Batch(ctx, photos, labels, i)
		if err != nil {
			trainer.Close()
			return m, nil, err
		}
		outcome, err := trainer.Step(ctx, batch, options.LR)
		batch.Close()
		if err != nil {
			trainer.Close()
			return m, nil, err
		}
		if i >= o.warmup {
			m.Milliseconds = append(m.Milliseconds, float64(time.Since(start))/float64(time.Millisecond))
		}
		m.Losses = append(m.Losses, outcome.Loss)
	}
	m.Versions = map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go"),
		"onnxruntime": trainer.Runtime().Version}
	return m, trainer.Close, nil
}

// noise returns photos of noise, uint8 [batch, size, size, 3], and labels.
func noise(size int, o stepOptions) (photos []uint8, labels []int64) {
	stream := random.New(0, "photos")
	photos = make([]uint8, o.batch*size*size*3)
	for i := range photos {
		photos[i] = uint8(stream.Uint32())
	}
	labels = make([]int64, o.batch)
	for i := range labels {
		labels[i] = int64(i % o.classes)
	}
	return photos, labels
}
