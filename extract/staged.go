package extract

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// stagesBeside is the number of stages in addition to those on which the device works: one is ready for it, and one is
// being filled.
const stagesBeside = 2

// filling is a batch that is being decoded to its stage.
type filling struct {
	index   int
	refs    []rowRef
	photos  []photo // what was read, by index into refs
	stage   Stage
	left    atomic.Int32 // number of refs that are not decoded yet
	problem atomic.Pointer[error]
}

// task is a photo of a batch: refs[first:end] are its views.
type task struct {
	*filling
	first, end int
}

// streamShared is stream for batches that are too large for one worker. All workers decode photos of the same batch to
// its stage, in order, and continue with the next batch as soon as it has a stage. The first batch is therefore ready
// after batch/workers photos, and the number of stages bounds the memory, whatever the number of workers. The device
// takes a batch when its last photo is decoded. It works on p.runs batches at once, so that one is copied while
// another is computed.
func (p *pipeline) streamShared(
	ctx context.Context, most int, next feed, emit func(refs []rowRef, r result) error,
) error {
	all, closeAll, err := p.stages(min(p.runs+stagesBeside, most))
	defer closeAll()
	if err != nil {
		return err
	}
	return p.fillAndRun(ctx, next, all, emit)
}

// fillAndRun returns when the stages are not used any more.
func (p *pipeline) fillAndRun(
	ctx context.Context, next feed, stages []Stage, emit func(refs []rowRef, r result) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	begun := len(stages) + p.runs // batches with a stage, or with features that wait for emit
	free := make(chan Stage, len(stages))
	for _, s := range stages {
		free <- s
	}
	slots := make(chan struct{}, begun)
	tasks := make(chan task, p.workers)
	ready := make(chan *filling, begun)
	done := make(chan numbered, begun) // room for all batches that have begun: sending never blocks
	var decoding, running, group sync.WaitGroup
	defer group.Wait()
	defer cancel() // before Wait, so that running work ends soon

	decoding.Go(func() {
		defer close(tasks)
		for n := (&numbering{next: next}); ; {
			f := &filling{}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			select {
			case f.stage = <-free:
			case <-ctx.Done():
				return
			}
			if f.index, f.refs = n.take(ctx); f.refs == nil {
				return
			}
			f.photos = make([]photo, len(f.refs))
			f.left.Store(int32(len(f.refs)))
			if len(f.refs) == 0 {
				ready <- f
			} else if !f.divide(ctx, tasks) {
				return
			}
		}
	})
	for range p.workers {
		decoding.Go(func() {
			w := p.newWorker()
			for t := range tasks {
				if ctx.Err() == nil && w.fill(ctx, t) {
					ready <- t.filling
				}
			}
		})
	}
	group.Go(func() { decoding.Wait(); close(ready) })
	for range p.runs {
		running.Go(func() {
			for f := range ready {
				r := p.embed(ctx, f)
				free <- f.stage
				done <- numbered{f.index, f.refs, r}
			}
		})
	}
	group.Go(func() { running.Wait(); close(done) })
	return inOrder(ctx, done, slots, emit)
}

// divide sends the photos of a batch to tasks. It returns false if ctx ended before.
func (f *filling) divide(ctx context.Context, tasks chan<- task) bool {
	for first := 0; first < len(f.refs); {
		end := first + 1
		for end < len(f.refs) && f.refs[end].item == f.refs[first].item {
			end++
		}
		select {
		case tasks <- task{f, first, end}:
		case <-ctx.Done():
			return false
		}
		first = end
	}
	return true
}

// fill decodes a photo to the stage, and reports whether it was the batch's last.
func (w *worker) fill(ctx context.Context, t task) (complete bool) {
	if err := w.fillViews(ctx, t); err != nil {
		t.problem.Store(&err)
	}
	return t.left.Add(int32(t.first-t.end)) == 0
}

// fillViews decodes the views of a photo.
func (w *worker) fillViews(ctx context.Context, t task) error {
	defer w.release() // a photo's memory must not be held while waiting
	item := t.refs[t.first].item
	if err := w.read(ctx, item); err != nil {
		return err
	}
	pixels, size := t.stage.Pixels(), viewLen(w.spec)
	for i := t.first; i < t.end; i++ {
		t.photos[i] = w.photo
		if w.photo.reason != "" {
			continue
		}
		if err := w.view(t.refs[i].view, pixels[i*size:(i+1)*size]); err != nil {
			return fmt.Errorf("%s: %w", w.photos(item), err)
		}
	}
	return nil
}

// embed runs the network on a complete batch. The pixels of rejected photos are undefined; their features are dropped.
func (p *pipeline) embed(ctx context.Context, f *filling) result {
	if problem := f.problem.Load(); problem != nil {
		return result{err: *problem}
	}
	var r result
	for i, photo := range f.photos {
		if photo.reason == "" {
			r.rows = append(r.rows, row{rowRef: f.refs[i], content: photo.content})
		} else if i == 0 || f.refs[i-1].item != photo.item {
			r.rejected = append(r.rejected, rejection{photo.item, photo.reason, photo.content})
		}
	}
	if len(r.rows) == 0 {
		return r
	}
	length := p.network.FeatureLen()
	features := make([]float32, p.network.BatchSize()*length)
	if err := f.stage.Embed(ctx, features); err != nil {
		return result{err: err}
	}
	next := 0
	for i, photo := range f.photos {
		if photo.reason == "" {
			r.rows[next].embedding = features[i*length : (i+1)*length]
			next++
		}
	}
	return r
}
