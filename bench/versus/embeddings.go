package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"

	"fx/bench/internal/command"
	"fx/internal/fail"
)

// family is a network of the first section.
type family struct {
	name   string
	target float64 // images a second, as a multiple of PyTorch's
	timm   bool    // has the network
}

var families = []family{
	{"squeezenet1_1", 2, false}, {"resnet18", 2, true}, {"alexnet", 2, false},
	{"densenet121", 1.5, true}, {"vgg11_bn", 1.5, true}, {"inception_v3", 1.5, true},
}

var (
	timmSide = side{"timm", "timm"}
	ortSide  = side{"onnxruntime", "ONNX Runtime, Python"}
)

// farthest is the largest allowed L2 distance between the embeddings of two sides,
// relative to the length.
const farthest = 1e-4

func embeddingComparisons(w *environment) []comparison {
	var all []comparison
	var names []string
	for _, f := range families {
		names = append(names, f.name)
	}
	for _, name := range w.chosen(names) {
		f := families[familyOrder(name)]
		c := comparison{section: "embeddings", name: f.name, title: f.name, rounds: w.rounds,
			sides: []side{fxSide, torchSide}}
		if f.timm {
			c.sides = append(c.sides, timmSide)
		}
		c.sides = append(c.sides, ortSide)
		c.prepare = func(ctx context.Context, o *outcome) (map[string]job, error) {
			return w.prepareEmbeddings(ctx, f, o)
		}
		c.cleanup = func() error { return w.clear("embeddings") }
		all = append(all, c)
	}
	return all
}

// prepareEmbeddings tunes PyTorch's script, runs every side once, and compares their embeddings.
func (w *environment) prepareEmbeddings(ctx context.Context, f family, o *outcome) (map[string]job, error) {
	weights, trained, err := w.weights(ctx, f.name)
	if err != nil {
		return nil, err
	}
	if err := o.know("trained", trained); err != nil {
		return nil, err
	}
	model, err := w.network(ctx, f.name, weights)
	if err != nil {
		return nil, err
	}
	tuned, err := w.tune(ctx, f.name, weights, o)
	if err != nil {
		return nil, err
	}
	if err := w.limits(ctx, f.name, weights, tuned, o); err != nil {
		return nil, err
	}
	store, err := w.scratch("embeddings", "store")
	if err != nil {
		return nil, err
	}
	out := func(side string) string { return store + "-" + side + ".npy" }
	done := expect(map[string]float64{"images": float64(len(w.photos.rel))})
	torchArguments := append([]string{"--backbone", f.name, "--weights", weights, "--data", w.photos.dir},
		tuned.arguments()...)
	ortThreads := w.threads
	if ortThreads == runtime.NumCPU() {
		ortThreads = 0 // its own choice
	}
	jobs := map[string]job{
		"fx": {before: func() error {
			return os.RemoveAll(store)
		}, commands: always(w.extract(f.name, weights, w.photos.dir,
			store)), check: expect(map[string]float64{"images": float64(len(w.photos.rel)),
			"computed": float64(len(w.photos.rel))})},
		"torch": {commands: always(w.peer("torch_embed.py", append(torchArguments, "--out", out("torch"))...)),
			check: done},
		"onnxruntime": {commands: always(w.peer("ort_embed.py", "--model", model, "--data", w.photos.dir, "--threads",
			strconv.Itoa(ortThreads), "--out", out("onnxruntime"))), check: done},
	}
	if f.timm {
		jobs["timm"] = job{commands: always(w.peer("timm_embed.py", append(torchArguments, "--out", out("timm"))...)),
			check: done}
	}
	return jobs, w.agree(ctx, jobs, store, out, o)
}

// setup is the tuning parameters of PyTorch's script.
type setup struct {
	Workers   int     `json:"workers"`
	BatchSize int     `json:"batch_size"`
	Threads   int     `json:"threads"`
	Rate      float64 `json:"images_per_second"`
}

func (s setup) arguments() []string {
	return []string{"--workers", strconv.Itoa(s.Workers), "--batch-size", strconv.Itoa(s.BatchSize), "--threads",
		strconv.Itoa(s.Threads)}
}

func (s setup) String() string {
	return fmt.Sprintf("workers %d, batch %d, threads %d", s.Workers, s.BatchSize, s.Threads)
}

// tune returns PyTorch's fastest setup on this machine.
func (w *environment) tune(ctx context.Context, network, weights string, o *outcome) (setup, error) {
	var best setup
	if o.fact("tuned", &best) {
		return best, nil
	}
	w.log("%s: looking for PyTorch's best number of workers, batch and threads", network)
	var swept struct{ Settings []setup }
	sample := min(64, len(w.photos.rel))
	argv := w.peer("torch_embed.py", "--backbone", network, "--weights", weights, "--data", w.photos.dir, "--threads",
		strconv.Itoa(w.threads), "--sweep", strconv.Itoa(sample))
	if err := needJSON(ctx, argv, &swept); err != nil {
		return best, err
	}
	for _, s := range swept.Settings {
		if s.Rate > best.Rate {
			best = s
		}
	}
	if best.Rate == 0 {
		return best, fail.New(fail.Other, "", "the sweep of %s found nothing", network)
	}
	if err := o.know("sweep", swept.Settings); err != nil {
		return best, err
	}
	return best, o.know("tuned", best)
}

// agreement is the distance of a peer's embeddings from fx's.
type agreement struct {
	Worst  float64 `json:"worst"` // of all photos
	Median float64 `json:"median"`
	Photos int     `json:"photos"`
}

// agree runs every side once, which also loads photos and programs into memory, and compares the embeddings. timm
// preprocesses its photos differently, so its embeddings differ.
func (w *environment) agree(ctx context.Context, jobs map[string]job, store string, out func(side string) string,
	o *outcome) error {
	var known map[string]agreement
	if o.fact("agreement", &known) {
		return nil
	}
	w.log("%s: comparing the embeddings", o.Contest)
	known = map[string]agreement{}
	for _, s := range o.Sides {
		j := jobs[s.Name]
		if j.before != nil {
			if err := j.before(); err != nil {
				return err
			}
		}
		var text json.RawMessage
		if err := needJSON(ctx, j.commands(0)[0], &text); err != nil {
			return fmt.Errorf("%s: %w", s.Title, err)
		}
		if err := j.check([]json.RawMessage{text}); err != nil {
			return fmt.Errorf("%s: %w", s.Title, err)
		}
	}
	exported := store + "-npy"
	defer func() { _ = os.RemoveAll(exported) }() // only to compare
	if err := os.RemoveAll(exported); err != nil {
		return err
	}
	if _, err := command.Output(ctx, w.fx, "features", "export", "--format", "npy", "--out", exported, "--quiet",
		store); err != nil {
		return err
	}
	for _, peer := range []string{"torch", "onnxruntime"} {
		var a agreement
		if err := needJSON(ctx, w.peer("agreement.py", "--fx", exported, "--peer", out(peer)), &a); err != nil {
			return err
		}
		if !(a.Worst <= farthest) { // false for NaN
			return fail.New(fail.Other, "Times of sides that compute different things mean nothing.",
				"the embeddings of fx and %s lie %.1e apart, more than %.0e", peer, a.Worst, farthest)
		}
		known[peer] = a
	}
	return o.know("agreement", known)
}

// familyOrder returns the position of a network in the table.
func familyOrder(network string) int {
	return slices.IndexFunc(families, func(f family) bool { return f.name == network })
}

func embeddingTarget(o *outcome) target {
	i := familyOrder(o.Contest)
	if i < 0 {
		return target{}
	}
	ratios := rival{rate, true}.ratios(o, fxSide.name, torchSide.name)
	return atLeast(o.Title+", images a second beside PyTorch", ratios, families[i].target)
}
