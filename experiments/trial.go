package experiments

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"fx/backbones"
	"fx/extract"
	"fx/finetune"
	"fx/internal/experimentdir"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/photoio"
	"fx/internal/progress"
	"fx/internal/weights"
)

// What a trial does, at most.
const (
	trialSteps   = 4               // timed, of training, after one that warms up
	trialTime    = 3 * time.Second // after which no further step begins
	trialBatches = 2               // of photos through the frozen network, for each worker
)

// headRate is how many products a second a head's training does, roughly.
const headRate = 1e9

// Planned is a run and what it is expected to take.
type Planned struct {
	experimentdir.Run
	Estimate float64 `json:"estimate"` // seconds, 0 of a finished run, and where it is not known
}

// Plan is what Run would do.
type Plan struct {
	Name     string             `json:"name"`
	Title    string             `json:"title"`
	Out      string             `json:"out"`
	Data     experimentdir.Data `json:"data"`
	Runs     []Planned          `json:"runs"`
	Estimate float64            `json:"estimate"` // seconds, of all runs to do
	Notes    []string           `json:"notes"`
}

// Foresee finds out what Run would do, and by a short trial of each network how
// long it would take. It writes nothing but Options.Lock.
func Foresee(ctx context.Context, file *File, o Options, report progress.Reporter) (Plan, error) {
	m, err := prepare(ctx, file, o, true, report)
	if err != nil {
		return Plan{}, err
	}
	if err := o.Lock.Hold(ctx, m.inputs...); err != nil {
		return Plan{}, err
	}
	todo, _, err := m.look(report)
	if err != nil {
		return Plan{}, err
	}
	estimates, err := m.estimate(ctx, todo, report)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Name: file.Name, Title: file.Title, Out: m.options.Out, Data: m.record.Data,
		Notes: append([]string{}, m.record.Notes...)}
	for i, run := range m.record.Runs {
		if !m.runs[i].selected {
			continue
		}
		planned := Planned{Run: run}
		if k := slices.Index(todo, i); k >= 0 {
			planned.Estimate = estimates[k]
			p.Estimate += estimates[k]
		}
		p.Runs = append(p.Runs, planned)
	}
	return p, nil
}

// rates are what a trial of a network found, in seconds.
type rates struct {
	open    float64 // the frozen network until it is ready
	embed   float64 // a photo, from the file through the frozen network
	prepare float64 // the training graphs
	step    float64 // a batch of training, 0 where none was tried
	width   int     // values of a photo's features
}

// estimate says how long each of the runs to do would take, by a short trial of
// their networks. Runs that were begun count whole; 0 stands for a network whose
// trial failed.
func (m *matrix) estimate(ctx context.Context, todo []int, report progress.Reporter) ([]float64, error) {
	task := report.Begin("trial", int64(len(todo)), "runs")
	defer task.End()
	train, val := m.paths()
	decode := m.decodeSeconds(ctx, train)
	tried, stores := map[string]rates{}, map[string]bool{}
	for _, s := range m.record.Stores {
		stores[s.Dir] = s.Rows > 0 // filled, or begun: what is left is little
	}
	estimates := make([]float64, len(todo))
	for k, i := range todo {
		run, s := m.record.Runs[i], m.runs[i].settings
		training := run.Mode != modeldir.FeatureExtraction
		key := fmt.Sprint(run.Backbone, training, s.BatchSize, s.Resize, s.Crop, s.Optimizer, s.Precision)
		r, known := tried[key]
		if !known {
			var err error
			if r, err = m.try(ctx, i, training, slices.Concat(train, val)); ctx.Err() != nil {
				return nil, ctx.Err()
			} else if fail.BySystem(err) {
				return nil, err
			} else if err != nil { // the run itself will tell, and the others need not wait for it
				report.Note(fmt.Sprintf("how long %s takes is not known: %v", run.Name, err))
				r = rates{}
			}
			tried[key] = r
		}
		task.Add(1)
		if r == (rates{}) {
			continue
		}
		photos, judged := float64(len(train)), float64(len(val))
		if training {
			steps := photos / float64(s.BatchSize)
			estimates[k] = r.prepare + photos*decode + float64(s.Epochs)*(steps*r.step+photos*decode+judged*r.embed)
		} else {
			estimates[k] = float64(s.Epochs) * (3*photos + judged) * float64(2*r.width) / headRate
			if !stores[run.Store] { // runs of other seeds find it filled
				estimates[k] += r.open + ((1+float64(s.Views))*photos+judged)*r.embed
				stores[run.Store] = true
			}
		}
	}
	return estimates, nil
}

// paths are those of the photos to train on and to evaluate on.
func (m *matrix) paths() (train, val []string) {
	for _, item := range m.photos.Items {
		switch {
		case item.Split == m.splits.Train:
			train = append(train, item.Path)
		case m.splits.Uses(item.Split):
			val = append(val, item.Path)
		}
	}
	return train, val
}

// decodeSeconds is the time to read and decode a photo, shared among the cores.
func (m *matrix) decodeSeconds(ctx context.Context, paths []string) float64 {
	reader := photoio.NewReader(m.decoder, photoio.Options{Memory: m.options.DecodeMemory})
	start, n := time.Now(), 0
	for _, path := range sampleOf(paths, 8) {
		if photo, err := reader.Read(ctx, path); err == nil { // else the run itself will say why
			photo.Release()
			n++
		}
	}
	return time.Since(start).Seconds() / float64(max(n, 1)*m.workers())
}

// sampleOf takes n of the paths, evenly spread.
func sampleOf(paths []string, n int) []string {
	if len(paths) <= n {
		return paths
	}
	out := make([]string, n)
	for i := range out {
		out[i] = paths[i*len(paths)/n]
	}
	return out
}

// try measures a network.
func (m *matrix) try(ctx context.Context, i int, training bool, paths []string) (rates, error) {
	var r rates
	network := m.runs[i].network
	if network.Weights.IsZero() && !backbones.IsFile(network.Backbone) { // from scratch: any weights take as long
		network.Weights = weights.Seed(0)
	}
	start := time.Now()
	e, err := extract.OpenEmbedder(ctx, extract.EmbedderOptions{
		Network: network, Device: m.options.Device, Workers: m.options.Workers, Library: m.options.Library,
		DecodeMemory: m.options.DecodeMemory,
	}, progress.Discard)
	if err != nil {
		return r, err
	}
	defer func() { _ = e.Close() }() // nothing is written through it
	r.open, r.width = time.Since(start).Seconds(), e.FeatureLen()
	photos := sampleOf(paths, trialBatches*e.BatchSize()*m.workers())
	ignore := func(int, extract.Embedding) error { return nil }
	// warms up
	if err := extract.Photos(ctx, e, m.decoder, photos[:min(e.BatchSize(), len(photos))], progress.Discard,
		ignore); err != nil {
		return r, err
	}
	start = time.Now()
	if err := extract.Photos(ctx, e, m.decoder, photos, progress.Discard, ignore); err != nil {
		return r, err
	}
	r.embed = time.Since(start).Seconds() / float64(max(len(photos), 1))
	if training {
		err = m.tryTraining(ctx, i, &r)
	}
	return r, err
}

// tryTraining measures steps on a batch without content.
func (m *matrix) tryTraining(ctx context.Context, i int, r *rates) error {
	p := m.runs[i]
	o := finetune.Options{Settings: p.settings, Network: p.network, Device: m.options.Device,
		Library: m.options.Library}
	start := time.Now()
	s, err := finetune.NewTrainer(ctx, o, len(m.photos.Classes), progress.Discard)
	if err != nil {
		return err
	}
	defer s.Close()
	r.prepare = time.Since(start).Seconds()
	batch, err := s.Batch(ctx, make([]uint8, o.BatchSize*s.ImageSize()*s.ImageSize()*3), make([]int64, o.BatchSize), 0)
	if err != nil {
		return err
	}
	defer batch.Close()
	var took []float64
	for begin := time.Now(); len(took) <= trialSteps && (len(took) < 2 || time.Since(begin) < trialTime); {
		start := time.Now()
		if _, err := s.Step(ctx, batch, o.LR); err != nil {
			return err
		}
		took = append(took, time.Since(start).Seconds())
	}
	took = took[1:] // the first one warms up
	slices.Sort(took)
	r.step = took[len(took)/2]
	return nil
}

func (m *matrix) workers() int {
	if m.options.Workers > 0 {
		return m.options.Workers
	}
	return runtime.GOMAXPROCS(0)
}
