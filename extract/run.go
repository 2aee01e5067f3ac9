package extract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"fx/backbones"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/imaging"
	"fx/internal/lockfile"
	"fx/internal/outpath"
	"fx/internal/paths"
	"fx/internal/progress"
	"fx/internal/source"
	"fx/internal/store"
	"fx/internal/version"
)

// Run updates the store to the current photos: it computes only the missing embeddings. It can be interrupted at any
// moment. Finished rows are kept, and the same call continues from there.
func Run(ctx context.Context, o Options, report progress.Reporter) (Summary, error) {
	r := &run{options: o, report: report, start: time.Now()}
	shard, err := parseShard(o.Shard, os.Getenv)
	if err = cmp.Or(err, o.check()); err != nil {
		return Summary{}, err
	}
	if err := outpath.Prepare(o.Force, outpath.Target{Kind: outpath.Store, Path: o.Store, Photos: o.Data}); err != nil {
		return Summary{}, err
	}
	defer r.close()
	if o.Part != "" {
		return r.part(ctx)
	}
	lock, stored, err := r.prepare(ctx)
	if err != nil {
		return Summary{}, err
	}
	if shard.Index == 0 { // in a sharded job the first process reports them
		err = r.refuse()
	}
	if err != nil {
		return Summary{}, err
	}
	writer, err := r.openStore(ctx, shard, stored)
	if err != nil {
		return Summary{}, err
	}
	r.writer = writer
	r.recordRefused()
	r.takeEntries()
	if r.plan, err = writer.Plan(ctx, r.items); err != nil {
		return Summary{}, err
	}
	if err := r.hold(ctx, lock); err != nil {
		return Summary{}, err
	}
	s, err := r.finish(ctx)
	if err == nil && len(s.Rejected) > 0 && s.Computed+s.Cached == 0 {
		return s, NoneUsable(o.Data, s.Rejected)
	}
	return s, err
}

// prepare finds the photos and opens the network. stored is the manifest of an existing store, whose lock is lock; nil
// for a new one.
func (r *run) prepare(ctx context.Context) (lock lockfile.Lock, stored *store.Manifest, err error) {
	if err := r.newDecoder(); err != nil {
		return nil, nil, err
	}
	if r.photos, err = dataset.Scan(ctx, r.options.Data, r.options.Photos); err != nil {
		return nil, nil, err
	}
	lock = r.options.Embedder.Network.Lock.In(r.options.Store)
	stored, err = r.openNetwork(ctx, lock)
	return lock, stored, err
}

func (r *run) newDecoder() (err error) {
	o := &r.options
	r.decoder, err = o.Embedder.NewDecoder(imaging.Options{EXIF: o.EXIF, FastDecode: o.FastDecode})
	return err
}

// hold checks the files that the run reads against the locks, and adds them.
func (r *run) hold(ctx context.Context, lock lockfile.Lock) error {
	return lock.Hold(ctx, slices.Concat(r.network.Inputs, r.options.Inputs)...)
}

// finish computes the rows of the plan.
func (r *run) finish(ctx context.Context) (Summary, error) {
	err := r.rejectKnown()
	if err == nil {
		err = r.fill(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fail.Wrap(fail.Interrupted, err, "What was finished is kept; the same command goes on from there.",
				"")
		}
		return Summary{}, err
	}
	finished, err := r.writer.Finish(ctx)
	if err != nil {
		return Summary{}, err
	}
	s := r.summary()
	s.Dropped = finished.Dropped
	r.recordSpeed(s)
	return s, nil
}

// close releases what the run holds.
func (r *run) close() {
	if r.writer != nil {
		r.writer.Close()
	}
	if r.embedder != nil {
		_ = r.embedder.Close() // nothing is written through it
	}
}

// openNetwork selects the splits and opens the network, with the options of the store that the user did not give.
// stored is the manifest of an existing store, whose lock is lock; nil for a new one.
func (r *run) openNetwork(ctx context.Context, lock lockfile.Lock) (stored *store.Manifest, err error) {
	o := &r.options
	augmented, noTrain := dataset.ChooseSplits(dataset.SplitRequest{
		From: o.Data, Have: r.photos.Splits, Train: o.TrainSplit,
		Advice: "Name the split that --views augments with --train-split.",
	})
	if o.Splits != nil {
		if err := r.photos.Keep(o.Splits); err != nil {
			return nil, err
		}
	}
	manifest, unreadable := store.ReadManifest(o.Store)
	if errors.Is(unreadable, fs.ErrNotExist) {
		unreadable = nil
	} else { // in a folder that is no store yet, lock.json does not belong to fx
		stored, o.Embedder.Network.Lock = &manifest, lock
		o.goOnAs(manifest, r.report)
	}
	if noTrain != nil && (o.Views > 0 || o.TrainSplit != "") {
		return nil, noTrain
	}
	o.TrainSplit = augmented.Train
	if err := r.openWeights(ctx); err != nil {
		return nil, err
	}
	return stored, unreadable // a lock is valid even beside a damaged manifest
}

// openWeights opens the network, but not on its device.
func (r *run) openWeights(ctx context.Context) error {
	network, err := OpenNetwork(ctx, r.options.Embedder, r.report)
	if err != nil {
		return err
	}
	r.weighted, r.network, r.graphSHA256 = network, network.Description, network.GraphSHA256
	r.decoder = r.decoder.For(r.network.Backbone.Preprocess.Resize)
	return nil
}

// goOnAs sets options that the user did not give to those of the store.
func (o *Options) goOnAs(stored store.Manifest, report progress.Reporter) {
	if o.Embedder.Precision == "" {
		if o.Embedder.Precision = string(stored.Compute.Precision); o.Embedder.Precision == Float16 {
			report.Note("the store's features were computed in float16; so are those that are missing")
		}
	}
	if o.Views == 0 && stored.Views > 0 {
		o.Views, o.Seed = stored.Views, stored.Seed
		report.Note(fmt.Sprintf("the store has %d random views of each training photo, seed %d; keeping them",
			stored.Views, stored.Seed))
	}
}

// run is the state of one Run.
type run struct {
	options     Options
	network     backbones.Description
	graphSHA256 string
	weighted    *FeatureNetwork // with the weights; nil once the embedder has them
	embedder    *Embedder       // nil until rows may be missing
	decoder     *imaging.Decoder
	photos      *dataset.Dataset
	report      progress.Reporter
	manifest    store.Manifest
	writer      writer // nil until the store or the part is open
	plan        *store.Plan
	items       []store.Entry // of the plan
	rejected    []badItem
	refused     int          // of rejected, without being opened
	bad         map[int]bool // items in rejected

	start, filling time.Time
	filled         time.Duration
	loaded         time.Duration
	computed       int
}

// writer takes the rows of a run: for a store, or for a part of it.
type writer interface {
	WriteChunk(c store.Chunk, rows []store.Computed) error
	Reject(photos ...store.Rejected)
	Finish(ctx context.Context) (store.Summary, error)
	Close()
}

// openStore locks the store, whose manifest is stored, and reads what it has.
func (r *run) openStore(ctx context.Context, shard store.Shard, stored *store.Manifest) (*store.Writer, error) {
	if err := r.describe(stored); err != nil {
		return nil, err
	}
	return store.OpenForWriting(ctx, r.options.Store, r.manifest,
		store.WriteOptions{
			Shard: shard, Wait: r.options.Wait, Progress: r.report, RowsPerShard: r.options.RowsPerShard,
			Force: r.options.Force, ReplaceData: r.options.ReplaceData, VerifyContent: r.options.VerifyContent,
			RetryRejected: r.options.RetryRejected,
		})
}

// describe sets the manifest. It puts the network on its device only if that is needed to know it. stored is the
// manifest of an existing store.
func (r *run) describe(stored *store.Manifest) error {
	var compute store.Compute
	if stored == nil || r.network.Backbone.FeatureShape == nil {
		if err := r.openEmbedder(); err != nil {
			return err
		}
		compute = r.embedder.compute()
	} else {
		compute = expectedCompute(stored.Compute, r.options.Embedder.Device.Kind, r.options.Embedder.Precision)
	}
	r.manifest = r.newManifest(compute)
	if stored != nil && r.embedder == nil {
		r.manifest.Made = stored.Made.WithPhotosOf(r.manifest.Made)
	}
	return nil
}

func (r *run) openEmbedder() (err error) {
	if r.embedder != nil {
		return nil
	}
	start := time.Now()
	r.embedder, err = r.weighted.Embedder()
	r.loaded = time.Since(start)
	if err != nil {
		return err
	}
	r.weighted, r.network = nil, r.embedder.Network
	r.report.Note(r.network.Backbone.Name + " runs on " + r.embedder.Session().Why())
	return nil
}

func (r *run) newManifest(compute store.Compute) store.Manifest {
	n, o := r.network, r.options
	m := store.Manifest{
		Backbone: n.Backbone.Name, GraphSHA256: r.graphSHA256,
		Weights: n.Weights.Name(), WeightsSHA256: n.WeightsSHA256,
		Preprocess: n.Backbone.Preprocess, EXIF: o.EXIF, Decoder: decoderFamily(r.decoder), FastDecode: o.FastDecode,
		Compute: compute,
		DType:   store.DType(o.DType), FeatureShape: n.Backbone.FeatureShape,
		Seed: o.Seed, Views: o.Views, Classes: r.photos.Classes,
		Made: store.Provenance{
			FX: version.String(), WeightsOrigin: n.WeightsOrigin, WeightsFile: n.Weights, BackboneFile: n.Backbone.File,
			Data: paths.Absolute(o.Data), Extensions: o.Photos.Extensions, NoFollowLinks: o.Photos.NoFollowLinks,
			Notes: n.Notes, Untrained: n.Untrained,
		},
	}
	if n.Backbone.File != "" {
		m.Made.FeatureTensor = o.Embedder.Network.FeatureTensor
	}
	if m.EXIF == "" {
		m.EXIF = "ignore"
	}
	if m.DType == "" {
		m.DType = store.Float32
	}
	if r.embedder != nil {
		s := r.embedder.Session()
		m.Made.ONNXRuntime = r.embedder.RuntimeVersion()
		m.Made.Device, m.Made.ProviderOptions = s.Why(), s.ProviderOptions()
	}
	return m
}

// decoderFamily returns the same name for decoders with the same pixels, whatever their version.
func decoderFamily(d *imaging.Decoder) string {
	if d.Exact() {
		return "libjpeg-turbo"
	}
	return d.Name()
}

// takeEntries moves the photos to the entries of the plan.
func (r *run) takeEntries() {
	r.items = make([]store.Entry, len(r.photos.Items))
	for i, item := range r.photos.Items {
		r.items[i].Item = item
		if item.Split == "" || item.Split == r.options.TrainSplit {
			r.items[i].Views = r.options.Views
		}
		if r.options.VerifyContent {
			r.items[i].ModTime = time.Time{} // no remembered hash matches a file of unknown time
		}
	}
	r.photos.Items = nil
	slices.SortStableFunc(r.items, func(a, b store.Entry) int { return dataset.ReadingOrder(&a.Item, &b.Item) })
}

// fill computes the rows of the plan's chunks.
func (r *run) fill(ctx context.Context) error {
	r.filling = time.Now()
	if r.plan.MissingRows > 0 {
		if err := r.openEmbedder(); err != nil {
			return err
		}
		if got := r.embedder.compute(); got != r.manifest.Compute {
			return fail.New(fail.Usage, "Extract into another store, or on the device that made this one.",
				"the store %s was made by %s, and here the network runs by %s (%s)",
				r.options.Store, r.manifest.Compute, got, r.embedder.Session().Why())
		}
		r.filling = time.Now()
	}
	task := r.report.Begin("extract", int64(r.plan.MissingRows), "images")
	defer task.End()

	batches, ends := r.batches()
	var rows []store.Computed
	chunk, done := 0, 0
	finish := func() error { // writes the chunks whose rows are done
		for ; chunk < len(ends) && ends[chunk] == done; chunk++ {
			if err := r.writer.WriteChunk(r.plan.Chunks[chunk], rows); err != nil {
				return err
			}
			r.computed += len(rows)
			rows = rows[:0]
		}
		return nil
	}
	if err := finish(); err != nil || len(batches) == 0 {
		return err
	}
	photos, stop := fetchAhead(ctx, r.itemsInOrder(), func(item int) source.Source {
		return r.items[item].Source()
	})
	defer stop()
	p := r.embedder.pipeline(r.decoder, r.options.Seed, r.options.TimeoutPerPhoto, photos)
	err := p.run(ctx, batches, func(batch int, result result) error {
		for _, bad := range result.rejected {
			if err := r.reject(bad); err != nil {
				return err
			}
		}
		computed := result.rows
		for _, ref := range batches[batch] {
			if len(computed) > 0 && computed[0].rowRef == ref { // else its photo is rejected
				row := computed[0]
				computed = computed[1:]
				rows = append(rows, store.Computed{Entry: row.item, View: row.view, Content: row.content,
					Embedding: row.embedding})
			}
			done++
			if err := finish(); err != nil {
				return err
			}
		}
		task.Add(int64(len(batches[batch])))
		return nil
	})
	r.filled = time.Since(r.filling)
	return err
}

// itemsInOrder returns the photos to read, in the order of the plan.
func (r *run) itemsInOrder() []int {
	var items []int
	for _, chunk := range r.plan.Chunks {
		for _, job := range chunk.Jobs {
			items = append(items, job.Entry)
		}
	}
	return items
}

// batches divides the rows of the plan into batches, of which only the last may be short. ends[k] is the number of
// rows after which chunk k is complete.
func (r *run) batches() (batches [][]rowRef, ends []int) {
	var refs []rowRef
	for _, chunk := range r.plan.Chunks {
		for _, job := range chunk.Jobs {
			for _, view := range job.Views {
				refs = append(refs, rowRef{job.Entry, view})
			}
		}
		ends = append(ends, len(refs))
	}
	if len(refs) == 0 {
		return nil, ends // there may be no embedder
	}
	return slices.Collect(slices.Chunk(refs, r.embedder.BatchSize())), ends
}
