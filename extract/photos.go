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
		for i, photo := range embeddings(batches[batch], r) {
			if err := emit(batches[batch][i].item, photo); err != nil {
				return err
			}
		}
		task.Add(int64(len(batches[batch])))
		return nil
	})
}

// embeddings returns the result of a batch of centre views, by index into refs.
func embeddings(refs []rowRef, r result) []Embedding {
	photos := make([]Embedding, len(refs))
	for i, ref := range refs {
		if len(r.rows) > 0 && r.rows[0].rowRef == ref {
			photos[i] = Embedding{Features: r.rows[0].embedding, SHA256: r.rows[0].content.SHA256}
			r.rows = r.rows[1:]
		} else {
			photos[i] = Embedding{Reason: r.rejected[0].reason}
			r.rejected = r.rejected[1:]
		}
	}
	return photos
}
