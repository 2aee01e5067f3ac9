package extract

import (
	"context"
	"math"
	"sync"
	"time"

	"fx/internal/imaging"
	"fx/internal/source"
)

// Feed returns the next photos of a stream: those that are there, at most n, or nil after the last one. It waits for
// the first photo until ctx ends. It may return an empty slice, which is emitted in its place.
type Feed func(ctx context.Context, n int) []source.Source

// Stream embeds the centre views of photos as they come, without a store, until next returns nil. The network does not
// wait for a full batch while no photo comes. emit gets what next returned, in order. A photo that needs more memory
// than allowed, or more time than timeout (0: any), has a Reason. The first error, of emit or of the system, ends the
// stream.
func Stream(ctx context.Context, e *Embedder, decoder *imaging.Decoder, timeout time.Duration, next Feed,
	emit func(photos []Embedding) error) error {
	w := window{photos: map[int]source.Source{}}
	p := e.pipeline(decoder, 0, timeout, w.photo)
	p.lenient = true
	return p.stream(ctx, math.MaxInt,
		func(ctx context.Context) []rowRef { return w.add(next(ctx, e.BatchSize())) },
		func(refs []rowRef, r result) error {
			w.remove(refs)
			return emit(embeddings(refs, r))
		})
}

// InFlight returns the number of photos that Stream has taken from its Feed and not emitted yet, at most.
func (e *Embedder) InFlight() int {
	if e.onGPU() {
		return (2*gpuRuns + stagesBeside) * e.batch
	}
	return 2 * e.options.WorkerCount() * e.batch
}

// window has the photos of a stream that are not emitted yet, by their number in the stream.
type window struct {
	mutex  sync.Mutex
	photos map[int]source.Source
	added  int
}

func (w *window) photo(item int) source.Source {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.photos[item]
}

func (w *window) add(photos []source.Source) []rowRef {
	if photos == nil {
		return nil
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	refs := make([]rowRef, len(photos))
	for i, photo := range photos {
		refs[i].item = w.added
		w.photos[w.added] = photo
		w.added++
	}
	return refs
}

func (w *window) remove(refs []rowRef) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, ref := range refs {
		delete(w.photos, ref.item)
	}
}
