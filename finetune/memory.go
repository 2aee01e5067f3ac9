package finetune

import (
	"context"
	"errors"
	"fmt"

	"fx/internal/fail"
	"fx/internal/ort"
)

// addMemoryHint adds to an out-of-memory error the batch size that would fit. It frees
// the engine and tries smaller batches, because the memory that ONNX Runtime and cuDNN
// take besides the tensors can't be estimated.
func (r *run) addMemoryHint(ctx context.Context, err error) error {
	if !errors.Is(err, ort.ErrOutOfMemory) || r.runtime == nil || ctx.Err() != nil {
		return err
	}
	if r.engine != nil {
		r.engine.close()
	}
	batch := r.options.BatchSize
	r.report.Note(fmt.Sprintf("a batch of %d does not fit into the device's memory; trying smaller ones", batch))
	task := r.report.Begin("try batch sizes", 0, "sizes")
	defer task.End()
	fits, tryErr := largestFit(batch, func(size int) error {
		defer task.Add(1)
		return r.try(ctx, size)
	})
	return fail.Wrap(fail.Device, err, memoryHint(batch, fits, tryErr, r.plan.accumulate), "a batch of %d photos",
		batch)
}

// largestFit halves a size until a step succeeds. It returns 0 if none does, and
// the error that ended the search if it is not about memory.
func largestFit(batch int, try func(size int) error) (int, error) {
	for size := batch / 2; size > 0; size /= 2 {
		err := try(size)
		if err == nil {
			return size, nil
		}
		if !errors.Is(err, ort.ErrOutOfMemory) {
			return 0, err
		}
	}
	return 0, nil
}

func memoryHint(batch, fits int, tryErr error, accumulate int) string {
	switch {
	case tryErr != nil:
		return "Try a smaller --batch-size, or free memory on the device; a smaller batch could not be tried: " +
			tryErr.Error()
	case fits == 0:
		return "Not even a batch of one fits: free memory on the device (other programs, as `nvidia-smi` " +
			"lists them), or take a smaller network or --crop."
	case batch%fits != 0:
		return fmt.Sprintf("--batch-size %d fits: fx has just run its steps and its evaluation on this device.", fits)
	}
	return fmt.Sprintf("--batch-size %d fits: fx has just run its steps and its evaluation on this device. With "+
		"--accumulate %d an update keeps its number of photos.",
		fits, accumulate*batch/fits)
}

// try runs on blank photos what a run with batches of the size would run: a step of
// each of its sizes, and an evaluation if it has one.
func (r *run) try(ctx context.Context, size int) error {
	o, p := r.graph, r.plan
	o.Batch, p.batch = size, size
	e, err := newEngine(ctx, r.runtime, ort.SessionOptions{Device: r.options.Device, Threads: r.threads},
		r.network.Blank(), o, p.sizes(), r.plan.accumulate > 1)
	if err != nil {
		return err
	}
	defer e.close()
	l := &loader{spec: r.network.Preprocess, session: e.session(), noise: e.noise()}
	for _, size := range p.sizes() {
		if err := e.tryBatch(ctx, l, job{train: true, items: make([]int, size)}); err != nil {
			return err
		}
	}
	if len(p.val) == 0 { // a range test
		return nil
	}
	return e.tryBatch(ctx, l, job{items: make([]int, min(size, len(p.val)))})
}

// tryBatch runs a batch of blank photos.
func (e *engine) tryBatch(ctx context.Context, l *loader, j job) error {
	b, err := l.allocate(j)
	if err != nil {
		return err
	}
	defer b.close()
	if err := e.session().Clear(ctx, b.onHost()...); err != nil {
		return err
	}
	if err := l.upload(ctx, b); err != nil {
		return err
	}
	if !j.train {
		_, err = e.evaluate(ctx, b)
		return err
	}
	_, err = e.step(ctx, b, 0, share{first: true, last: true, part: 1})
	if errors.Is(err, errNonFinite) { // of blank photos
		return nil
	}
	return err
}
