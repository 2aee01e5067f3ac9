package experiments

import (
	"context"
	"fmt"
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
	"fx/internal/source"
	"fx/internal/weights"
)

// Bounds of a trial.
const (
	trialSteps   = 4               // timed training steps, after one for warm-up
	trialTime    = 3 * time.Second // after this no further step begins
	trialBatches = 2               // of photos through the frozen network, for each worker
)

// headRate is roughly the number of products per second in the training of a head.
const headRate = 1e9

// Planned is a run with an estimate of its time.
type Planned struct {
	experimentdir.Run
	Estimate float64 `json:"estimate"` // seconds; 0 for a finished run, and if it is unknown
}

// Plan describes the runs that Run would execute.
type Plan struct {
	Name     string             `json:"name"`
	Title    string             `json:"title"`
	Out      string             `json:"out"`
	Data     experimentdir.Data `json:"data"`
	Runs     []Planned          `json:"runs"`
	Estimate float64            `json:"estimate"` // seconds, of all runs to do
	Notes    []string           `json:"notes"`
}

// DryRun returns what Run would do, with times from a short trial of each network. It writes only Options.Lock.
func DryRun(ctx context.Context, file *File, o Options, report progress.Reporter) (Plan, error) {
	m, err := prepare(ctx, file, o, true, report)
	if err != nil {
		return Plan{}, err
	}
	if err := o.Lock.Hold(ctx, m.inputs...); err != nil {
		return Plan{}, err
	}
	todo, _, err := m.updateStatus(report)
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

// rates are the results of a network's trial, in seconds unless noted.
type rates struct {
	open    float64 // opening the frozen network
	embed   float64 // one photo, from the file to its features
	prepare float64 // building the training graphs
	step    float64 // one batch of training; 0 if none was tried
	width   int     // number of a photo's features
}

// estimate returns the seconds of each run in todo, from a short trial of its network. A run that has begun counts as a
// whole one. The estimate is 0 if the trial failed.
func (m *matrix) estimate(ctx context.Context, todo []int, report progress.Reporter) ([]float64, error) {
	task := report.Begin("trial", int64(len(todo)), "runs")
	defer task.End()
	train, val := m.sources()
	decode := m.decodeSeconds(ctx, train)
	tried, stores := map[string]rates{}, map[string]bool{}
	for _, s := range m.record.Stores {
		stores[s.Dir] = s.Rows > 0 // filled at least in part: little is left
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
			} else if err != nil { // the run itself will report it
				report.Note(fmt.Sprintf("how long %s takes is not known: %v", run.Name, err))
				r = rates{}
			}
			tried[key] = r
		}
		task.Add(1)
		if r == (rates{}) {
			continue
		}
		photos, evaluated := float64(len(train)), float64(len(val))
		if training {
			steps := photos / float64(s.BatchSize)
			estimates[k] = r.prepare + photos*decode + float64(s.Epochs)*(steps*r.step+photos*decode+evaluated*r.embed)
		} else {
			estimates[k] = float64(s.Epochs) * (3*photos + evaluated) * float64(2*r.width) / headRate
			if !stores[run.Store] { // runs with other seeds use the same store
				estimates[k] += r.open + ((1+float64(s.Views))*photos+evaluated)*r.embed
				stores[run.Store] = true
			}
		}
	}
	return estimates, nil
}

// sources returns the photos for training and for evaluation.
func (m *matrix) sources() (train, val []source.Source) {
	for _, item := range m.photos.Items {
		switch {
		case item.Split == m.splits.Train:
			train = append(train, item.Source())
		case m.splits.Uses(item.Split):
			val = append(val, item.Source())
		}
	}
	return train, val
}

// decodeSeconds returns the time to read and decode a photo, divided by the number of workers.
func (m *matrix) decodeSeconds(ctx context.Context, photos []source.Source) float64 {
	reader := m.options.NewReader(m.decoder, photoio.Options{})
	start, n := time.Now(), 0
	for _, from := range sampleOf(photos, 8) {
		if photo, err := reader.Read(ctx, from); err == nil { // else the run itself will say why
			photo.Release()
			n++
		}
	}
	return time.Since(start).Seconds() / float64(max(n, 1)*m.options.WorkerCount())
}

// sampleOf returns at most n of the photos, at equal distances.
func sampleOf(photos []source.Source, n int) []source.Source {
	if len(photos) <= n {
		return photos
	}
	out := make([]source.Source, n)
	for i := range out {
		out[i] = photos[i*len(photos)/n]
	}
	return out
}

// try measures a network.
func (m *matrix) try(ctx context.Context, i int, training bool, all []source.Source) (rates, error) {
	var r rates
	network := m.runs[i].network
	if network.Weights.IsZero() && !backbones.IsFile(network.Backbone) { // from scratch
		network.Weights = weights.Seed(0)
	}
	start := time.Now()
	e, err := extract.OpenEmbedder(ctx, extract.EmbedderOptions{Environment: m.options.Environment, Network: network},
		progress.Discard)
	if err != nil {
		return r, err
	}
	defer func() { _ = e.Close() }() // nothing is written through it
	r.open, r.width = time.Since(start).Seconds(), e.FeatureLen()
	photos := sampleOf(all, trialBatches*e.BatchSize()*m.options.WorkerCount())
	ignore := func(int, extract.Embedding) error { return nil }
	if err := extract.Photos(ctx, e, m.decoder, photos[:min(e.BatchSize(), len(photos))], progress.Discard,
		ignore); err != nil { // for warm-up
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

// tryTraining measures training steps on a black batch.
func (m *matrix) tryTraining(ctx context.Context, i int, r *rates) error {
	p := m.runs[i]
	o := finetune.Options{Settings: p.settings, Environment: m.options.Environment, Network: p.network}
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
	took = took[1:] // without the warm-up
	slices.Sort(took)
	r.step = took[len(took)/2]
	return nil
}
