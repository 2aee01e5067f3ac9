package extract

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"fx/internal/fail"
	"fx/internal/photoio"
	"fx/internal/preprocess"
	"fx/internal/random"
	"fx/internal/source"
	"fx/internal/store"
)

// rowRef identifies a row to compute: a view of a photo. View 0 is the centre view.
type rowRef struct {
	item int // index into the photos
	view int
}

// row is a computed row.
type row struct {
	rowRef
	content   store.Content // of the file
	embedding []float32     // of the network's feature shape, flattened
}

// rejection is an unusable photo, with the reason.
type rejection struct {
	item    int
	reason  string
	content store.Content // that is at fault; else zero
}

// result is the result of a batch.
type result struct {
	rows     []row
	rejected []rejection
	err      error
}

// network is what the pipeline needs of an Embedder; tests use a stub.
type network interface {
	Preprocess() preprocess.Spec
	BatchSize() int
	FeatureLen() int
	NewStage() (Stage, error)
}

// pipeline computes rows. Each worker processes a whole batch: it reads and decodes the photos, fills the pixels and
// runs the network. On a GPU, which takes larger batches, all workers fill one batch together, see
// streamShared.
type pipeline struct {
	network network
	reader  *photoio.Reader // with hashes
	photos  func(item int) source.Source
	workers int
	runs    int  // number of concurrent runs: one for each worker on a CPU, fewer on a GPU
	shared  bool // all workers fill the same batch
	lenient bool // a photo that needs more memory than allowed is rejected, and does not end the run
	seed    uint64
}

// stages creates n stages. The caller must call closeAll.
func (p *pipeline) stages(n int) (all []Stage, closeAll func(), err error) {
	closeAll = func() {
		for _, s := range all {
			s.Close()
		}
	}
	for range n {
		s, err := p.network.NewStage()
		if err != nil {
			return all, closeAll, err
		}
		all = append(all, s)
	}
	return all, closeAll, nil
}

// feed returns the next batch, of at most BatchSize rows, or nil after the last one. It waits for rows until ctx ends.
// The pipeline calls it once it has room for a batch, from one goroutine at a time.
type feed func(ctx context.Context) []rowRef

// run computes the batches, each of at most BatchSize rows, and passes the results to emit in their order. emit runs
// on the caller's goroutine; while it runs, at most 2 × workers batches wait. The first error, of a batch or of emit,
// ends the run.
func (p *pipeline) run(ctx context.Context, batches [][]rowRef, emit func(batch int, r result) error) error {
	fed, emitted := 0, 0
	next := func(context.Context) []rowRef {
		if fed == len(batches) {
			return nil
		}
		fed++
		return batches[fed-1]
	}
	return p.stream(ctx, len(batches), next, func(_ []rowRef, r result) error {
		emitted++
		return emit(emitted-1, r)
	})
}

// stream is run for batches that are not known in advance, at most most of them. A batch without rows has an empty
// result.
func (p *pipeline) stream(ctx context.Context, most int, next feed, emit func(refs []rowRef, r result) error) error {
	if p.shared {
		return p.streamShared(ctx, most, next, emit)
	}
	stages, closeAll, err := p.stages(min(p.workers, most))
	defer closeAll() // after all workers have ended
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan numbered, 2*p.workers)  // room for all batches that have begun: workers never wait for emit
	slots := make(chan struct{}, 2*p.workers) // batches that have begun and are not emitted
	gate := make(chan struct{}, p.runs)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel() // before Wait, so that running work ends soon

	n := &numbering{next: next}
	var working sync.WaitGroup
	for _, stage := range stages {
		working.Go(func() {
			w := p.newWorker()
			w.gate, w.stage = gate, stage
			for {
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				index, refs := n.take(ctx)
				if refs == nil {
					return
				}
				done <- numbered{index, refs, w.batch(ctx, refs)}
			}
		})
	}
	group.Go(func() { working.Wait(); close(done) })
	return inOrder(ctx, done, slots, emit)
}

// numbering numbers the batches of a feed.
type numbering struct {
	mutex sync.Mutex
	next  feed
	taken int
	ended bool
}

// take returns the next batch with its index, or nil after the last one or the end of ctx.
func (n *numbering) take(ctx context.Context) (int, []rowRef) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.ended || ctx.Err() != nil {
		return 0, nil
	}
	refs := n.next(ctx)
	n.ended = refs == nil
	n.taken++
	return n.taken - 1, refs
}

// numbered is the result of a batch with its index.
type numbered struct {
	index int
	refs  []rowRef
	result
}

// inOrder passes the results of all batches to emit by index, and receives from slots after each.
func inOrder(ctx context.Context, done <-chan numbered, slots <-chan struct{},
	emit func(refs []rowRef, r result) error) error {
	waiting := map[int]numbered{}
	for next := 0; ; {
		select {
		case d, ok := <-done:
			if !ok {
				return ctx.Err()
			}
			waiting[d.index] = d
		case <-ctx.Done():
			return ctx.Err()
		}
		for d, ok := waiting[next]; ok; d, ok = waiting[next] {
			delete(waiting, next)
			if d.err != nil {
				return d.err
			}
			if err := emit(d.refs, d.result); err != nil {
				return err
			}
			next++
			<-slots
		}
	}
}

// worker is the state of one goroutine.
type worker struct {
	*pipeline
	spec  preprocess.Spec
	photo photo         // the last one read: the views of a photo are consecutive
	gate  chan struct{} // for whole batches; limits the concurrent runs
	stage Stage         // for whole batches
}

type photo struct {
	item    int
	content store.Content  // that was read
	reason  string         // why it is unusable, or ""
	read    *photoio.Photo // nil if it is unusable or released
}

func (p *pipeline) newWorker() *worker {
	return &worker{pipeline: p, spec: p.network.Preprocess(), photo: photo{item: -1}}
}

func viewLen(spec preprocess.Spec) int { return spec.Crop * spec.Crop * 3 }

// batch computes at most BatchSize rows. The network always gets a full batch: slots without a photo have undefined
// pixels, and their features are dropped.
func (w *worker) batch(ctx context.Context, refs []rowRef) result {
	r := w.fillPixels(ctx, refs)
	if r.err != nil || len(r.rows) == 0 {
		return r
	}
	select {
	case w.gate <- struct{}{}:
	case <-ctx.Done():
		return result{err: ctx.Err()}
	}
	features := make([]float32, w.network.BatchSize()*w.network.FeatureLen())
	err := w.stage.Embed(ctx, features)
	<-w.gate
	if err != nil {
		return result{err: err}
	}
	for i := range r.rows {
		r.rows[i].embedding = features[i*w.network.FeatureLen() : (i+1)*w.network.FeatureLen()]
	}
	return r
}

// fillPixels decodes the views of refs and returns their rows, without embeddings.
func (w *worker) fillPixels(ctx context.Context, refs []rowRef) (r result) {
	defer w.release() // a photo's memory must not be held while waiting
	pixels, size := w.stage.Pixels(), viewLen(w.spec)
	for _, ref := range refs {
		if ref.item != w.photo.item {
			if err := w.read(ctx, ref.item); err != nil {
				return result{err: err}
			}
			if w.photo.reason != "" {
				r.rejected = append(r.rejected, rejection{ref.item, w.photo.reason, w.photo.content})
			}
		}
		if w.photo.reason != "" {
			continue
		}
		slot := len(r.rows)
		if err := w.view(ref.view, pixels[slot*size:(slot+1)*size]); err != nil {
			return result{err: fmt.Errorf("%s: %w", w.photos(ref.item), err)}
		}
		r.rows = append(r.rows, row{rowRef: ref, content: w.photo.content})
	}
	return r
}

// read reads and decodes a photo, which replaces the last one. An unusable photo has a reason instead of pixels. The
// error is for anything else.
func (w *worker) read(ctx context.Context, item int) error {
	w.release()
	read, err := w.reader.Read(ctx, w.photos(item))
	var bad *photoio.Unusable
	switch {
	case err == nil:
		w.photo = photo{item: item, content: store.ContentOf(read.File), read: read}
	case errors.As(err, &bad):
		w.photo = photo{item: item, reason: bad.Error(), content: store.ContentOf(bad.File)}
	case w.lenient && fail.KindOf(err) == fail.Rejected:
		w.photo = photo{item: item, reason: err.Error()}
	default:
		return err
	}
	return nil
}

// release releases the last photo.
func (w *worker) release() {
	if w.photo.read != nil {
		w.photo.read.Release()
	}
	w.photo = photo{item: -1}
}

func (w *worker) view(view int, pixels []uint8) error {
	if view == 0 {
		return w.photo.read.CenterView(w.spec, pixels)
	}
	// The key is the photo's content, so that a renamed photo keeps its views.
	key := binary.LittleEndian.Uint64(w.photo.content.SHA256[:])
	return w.photo.read.RandomView(w.spec, random.New(w.seed, "view", key, uint64(view)), pixels)
}
