package extract

import (
	"context"
	"slices"

	"fx/internal/imaging"
	"fx/internal/progress"
	"fx/internal/source"
	"fx/internal/store"
)

// ForFew returns o with defaults for n photos, few of which fill no batch: batches are no larger than needed to give
// each worker one, and a single photo gets all cores for its run.
func (o EmbedderOptions) ForFew(n int) EmbedderOptions {
	workers := o.WorkerCount()
	if o.BatchSize == 0 && n <= cpuBatch*workers {
		o.BatchSize = max(1, (n+workers-1)/workers)
	}
	if n == 1 {
		o.Threads = workers
	}
	return o
}

// Embedding is what Photos computed for a photo.
type Embedding struct {
	Features []float32    // [FeatureLen], valid during the call of emit
	SHA256   store.SHA256 // of the photo's file
	Reason   string       // why the photo can't be used, else ""; then the other fields are zero
}

// Photos embeds the centre views of the photos without a store. It calls emit for each photo in order, with its index.
func Photos(ctx context.Context, e *Embedder, decoder *imaging.Decoder, all []source.Source, report progress.Reporter,
	emit func(i int, photo Embedding) error) error {
	task := report.Begin("embed", int64(len(all)), "images")
	defer task.End()
	refs := make([]rowRef, len(all))
	for i := range refs {
		refs[i].item = i
	}
	batches := slices.Collect(slices.Chunk(refs, e.BatchSize()))
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	photos, stop := fetchAhead(ctx, order, func(item int) source.Source { return all[item] })
	defer stop()
	p := e.pipeline(decoder, 0, 0, photos)
	return p.run(ctx, batches, func(batch int, r result) error {
		photos := map[int]Embedding{}
		for _, row := range r.rows {
			photos[row.item] = Embedding{Features: row.embedding, SHA256: row.content.SHA256}
		}
		for _, bad := range r.rejected {
			photos[bad.item] = Embedding{Reason: bad.reason}
		}
		for _, ref := range batches[batch] {
			if err := emit(ref.item, photos[ref.item]); err != nil {
				return err
			}
		}
		task.Add(int64(len(batches[batch])))
		return nil
	})
}
