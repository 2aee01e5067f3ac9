// Forward measures the frozen network of `fx extract` alone, on photos made of noise, and
// its time by operator:
//
//	bin/forward --backbone resnet18
//	bin/forward --backbone resnet18 --profile
//
// As fx extract does on a CPU, it runs one batch on each core, each on one thread.
// It prints JSON: milliseconds a photo of each round, lowest first, and the
// implementation of convolutions; with --profile, the time of one batch on one thread by
// operator, as Markdown.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"fx/backbones"
	"fx/bench/internal/forward"
	"fx/bench/internal/profile"
	"fx/bench/internal/program"
	"fx/extract"
	"fx/internal/environment"
	"fx/internal/fail"
	"fx/internal/inference"
	"fx/internal/ort"
	"fx/internal/progress"
	"fx/internal/weights"
)

func main() { program.Main("forward", run) }

type options struct {
	backbone, weights string
	batch, workers    int
	rounds            int
	time              time.Duration // of a round
	profile           bool
	nodes             int
}

// measurement is the output of run.
type measurement struct {
	Backbone             string    `json:"backbone"`
	Batch                int       `json:"batch"`
	Workers              int       `json:"workers"`
	MillisecondsAPhoto   []float64 `json:"milliseconds_a_photo"` // of each round, lowest first
	Convolutions         string    `json:"convolutions"`
	ONNXRuntime          string    `json:"onnxruntime"`
	OpenedInMilliseconds float64   `json:"opened_in_milliseconds"`
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("forward", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.backbone, "backbone", "", "a registered `NAME` or an ONNX file")
	flags.StringVar(&o.weights, "weights", "seed:0", "`FILE` or seed:N")
	flags.IntVar(&o.batch, "batch-size", 0, "photos of a batch (default: that of fx extract)")
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "batches at once, each on a thread")
	flags.IntVar(&o.rounds, "rounds", 5, "how often to measure")
	flags.DurationVar(&o.time, "time", time.Second, "of a round")
	flags.BoolVar(&o.profile, "profile", false, "say where the time goes instead")
	flags.IntVar(&o.nodes, "nodes", 10, "how many of the slowest nodes a profile lists")
	if err := program.Parse(flags, args); err != nil {
		return err
	}
	if o.workers < 1 || o.rounds < 1 || o.time <= 0 {
		return fail.New(fail.Usage, "--help lists the flags.", "--workers, --rounds or --time is below 1")
	}
	if o.profile {
		return o.profileRound(ctx, stdout)
	}
	m, err := o.measure(ctx, "")
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(m)
}

// measure runs the rounds, with a profile of ONNX Runtime if the prefix for its name is not empty.
func (o options) measure(ctx context.Context, profilePrefix string) (m measurement, err error) {
	from, err := weights.ParseRef(o.weights)
	if err != nil {
		return m, err
	}
	network, err := extract.OpenNetwork(ctx, extract.EmbedderOptions{
		Environment: environment.Environment{Device: ort.CPU, Workers: o.workers},
		Network:     backbones.NetworkOptions{Backbone: o.backbone, Weights: from},
		BatchSize:   o.batch, ProfilePrefix: profilePrefix,
	}, progress.Discard)
	if err != nil {
		return m, err
	}
	start := time.Now()
	e, err := network.Embedder()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	m = measurement{
		Backbone: e.Network.Backbone.Name, Batch: e.BatchSize(), Workers: o.workers, ONNXRuntime: e.RuntimeVersion(),
		Convolutions:         e.Session().ProviderOptions()[inference.Setting],
		OpenedInMilliseconds: float64(time.Since(start).Nanoseconds()) / 1e6,
	}
	for range o.rounds {
		photosPerSecond, err := forward.Run(ctx, e, o.time)
		if err != nil {
			return m, err
		}
		m.MillisecondsAPhoto = append(m.MillisecondsAPhoto, 1e3/photosPerSecond)
	}
	slices.Sort(m.MillisecondsAPhoto)
	return m, nil
}

// profileRound prints the time of a batch on one thread by operator.
func (o options) profileRound(ctx context.Context, stdout io.Writer) error {
	dir, err := os.MkdirTemp("", "forward-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the profile of this run only
	o.workers, o.rounds = 1, 1
	prefix := filepath.Join(dir, "forward")
	m, err := o.measure(ctx, prefix)
	if err != nil {
		return err
	}
	b, _, err := profile.Read(prefix, forward.WarmUp)
	if err != nil {
		return err
	}
	b.Unit = "batch"
	b.Title = fmt.Sprintf("%s, batch %d, one thread, ONNX Runtime %s, convolutions by %s", m.Backbone, m.Batch,
		m.ONNXRuntime, m.Convolutions)
	b.Step = m.MillisecondsAPhoto[0] * float64(m.Batch)
	_, err = io.WriteString(stdout, b.Text(o.nodes))
	return err
}
