package finetune

import (
	"context"
	"errors"
	"fmt"

	"fx/internal/fail"
	"fx/internal/ort"
)

// shortOfMemory gives an error about the device's memory the batch size that
// would fit, found by trying: estimates of what ONNX Runtime and cuDNN take
// besides the tensors are no help. It frees the engine first.
func (r *run) shortOfMemory(ctx context.Context, err error) error {
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
	return fail.Wrap(fail.Device, err, memoryHint(batch, fits, tryErr, r.plan.accumulate), "a batch of %d photos", batch)
}

// largestFit halves a size until a step succeeds. It returns 0 where none does,
// and the error that ended the search where that is not about memory.
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
		return "Try a smaller --batch-size, or free memory on the device; a smaller batch could not be tried: " + tryErr.Error()
	case fits == 0:
		return "Not even a batch of one fits: free memory on the device (other programs, as `nvidia-smi` lists them), or take a smaller network or --crop."
	case batch%fits != 0:
		return fmt.Sprintf("--batch-size %d fits: fx did its steps and evaluation on this device just now.", fits)
	}
	return fmt.Sprintf("--batch-size %d fits: fx did its steps and evaluation on this device just now. With --accumulate %d the updates stay of as many photos.",
		fits, accumulate*batch/fits)
}

// try does what a run with batches of the size would do, on blank photos: a step
// of each of its sizes, and an evaluation where it judges.
func (r *run) try(ctx context.Context, size int) error {
	o, p := r.graph, r.plan
	o.Batch, p.batch = size, size
	e, err := newEngine(ctx, r.runtime, ort.SessionOptions{Device: r.options.Device, Threads: r.threads}, r.network.Blank(), o, p.sizes(), r.plan.accumulate > 1)
	if err != nil {
		return err
	}
	defer e.close()
	l := &loader{spec: r.network.Preprocess, session: e.session(), noise: e.noise()}
	for _, size := range p.sizes() {
		if err := e.once(ctx, l, job{train: true, items: make([]int, size)}); err != nil {
			return err
		}
	}
	if len(p.val) == 0 { // a range test
		return nil
	}
	return e.once(ctx, l, job{items: make([]int, min(size, len(p.val)))})
}

// once does a batch whose content does not matter.
func (e *engine) once(ctx context.Context, l *loader, j job) error {
	b, err := l.take(j)
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
		_, err = e.judge(ctx, b)
		return err
	}
	_, err = e.step(ctx, b, 0, share{first: true, last: true, part: 1})
	if errors.Is(err, errNonFinite) { // of blank photos
		return nil
	}
	return err
}
