package extract

import (
	"context"
	"runtime"

	"fx/internal/imaging"
	"fx/internal/progress"
)

// ForFew returns o set for n photos that wait for an answer: a batch no larger
// than they fill, and for a single photo all cores on its one run.
func (o EmbedderOptions) ForFew(n int) EmbedderOptions {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.BatchSize == 0 && n <= cpuBatch*o.Workers {
		o.BatchSize = max(1, (n+o.Workers-1)/o.Workers)
	}
	if n == 1 {
		o.Threads = o.Workers
	}
	return o
}

// Photos embeds the centre views of the photos at paths, outside any store, and
// calls emit for each in order: with its features, valid during the call, or
// with the reason why it can't be used.
func Photos(ctx context.Context, e *Embedder, decoder *imaging.Decoder, paths []string, report progress.Reporter,
	emit func(i int, features []float32, reason string) error) error {
	task := report.Begin("embed", int64(len(paths)), "images")
	defer task.End()
	var batches [][]rowRef
	for i := range paths {
		if i%e.BatchSize() == 0 {
			batches = append(batches, nil)
		}
		last := &batches[len(batches)-1]
		*last = append(*last, rowRef{item: i})
	}
	p := e.pipeline(decoder, 0, func(item int) string { return paths[item] })
	return p.run(ctx, batches, func(batch int, r result) error {
		features, reasons := map[int][]float32{}, map[int]string{}
		for _, row := range r.rows {
			features[row.item] = row.embedding
		}
		for _, bad := range r.rejected {
			reasons[bad.item] = bad.reason
		}
		for _, ref := range batches[batch] {
			if err := emit(ref.item, features[ref.item], reasons[ref.item]); err != nil {
				return err
			}
		}
		task.Add(int64(len(batches[batch])))
		return nil
	})
}
