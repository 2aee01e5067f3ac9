package finetune

import (
	"context"
	"errors"
	"iter"
	"sync"

	"fx/finetune/autodiff"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/photoio"
	"fx/internal/preprocess"
	"fx/internal/random"
)

// batch is a batch in ONNX Runtime's memory, ready for the network.
type batch struct {
	job
	images   *ort.Value   // uint8 [photos, crop, crop, 3]
	labels   *ort.Value   // int64 [photos]
	noise    []*ort.Value // of a training batch, in the order of its graph
	onDevice []*ort.Value // the same on a device that has its own memory
}

// values returns images, labels and noise in the device's memory.
func (b *batch) values() []*ort.Value {
	if b.onDevice != nil {
		return b.onDevice
	}
	return b.onHost()
}

func (b *batch) onHost() []*ort.Value {
	return append([]*ort.Value{b.images, b.labels}, b.noise...)
}

func (b *batch) close() {
	for _, v := range append(b.onHost(), b.onDevice...) {
		if v != nil {
			v.Close()
		}
	}
}

// loader prepares batches, including their copy on the device, while the network
// works on earlier ones. Each worker prepares a whole batch; at most workers+3 are
// ready or in progress, which bounds the memory and keeps every worker busy while
// the network waits for a slow one. Batches come in the order of the jobs.
type loader struct {
	photos  *photos
	spec    preprocess.Spec
	seed    uint64
	session *ort.Session             // of the device that the batches are for
	noise   map[int][]autodiff.Noise // by size of a training batch
	queue   chan chan loaded
	free    map[kind]chan *batch // batches to reuse
	cancel  context.CancelFunc
	group   sync.WaitGroup
}

// kind identifies batches with the same amount of memory.
type kind struct {
	size  int
	train bool
}

type loaded struct {
	batch *batch
	err   error
}

// start starts to load jobs. stop ends it.
func (l *loader) start(ctx context.Context, jobs iter.Seq[job], workers int, kinds []kind) {
	ctx, l.cancel = context.WithCancel(ctx)
	type task struct {
		job
		promise chan loaded
	}
	l.queue = make(chan chan loaded, workers+2)
	l.free = map[kind]chan *batch{}
	for _, k := range kinds {
		l.free[k] = make(chan *batch, workers+4) // those ready or in progress, and one in use
	}
	work := make(chan task)
	l.group.Go(func() {
		defer close(work)
		defer close(l.queue)
		for j := range jobs {
			t := task{j, make(chan loaded, 1)}
			select {
			case l.queue <- t.promise:
			case <-ctx.Done():
				return
			}
			select {
			case work <- t:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		l.group.Go(func() {
			for t := range work {
				b, err := l.load(ctx, t.job)
				t.promise <- loaded{b, err}
			}
		})
	}
}

// next returns the next batch, which the caller releases.
func (l *loader) next(ctx context.Context) (*batch, error) {
	select {
	case promise := <-l.queue:
		select {
		case r := <-promise:
			return r.batch, r.err
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}

// release returns a batch's memory for reuse.
func (l *loader) release(b *batch) {
	select {
	case l.free[kind{len(b.items), b.train}] <- b:
	default:
		b.close()
	}
}

// stop ends the workers and frees all memory of the batches.
func (l *loader) stop() {
	l.cancel()
	l.group.Wait()
	for promise := range l.queue { // ready batches that nobody will use
		select {
		case r := <-promise:
			if r.batch != nil {
				r.batch.close()
			}
		default:
		}
	}
	for _, free := range l.free {
		for len(free) > 0 {
			(<-free).close()
		}
	}
}

func (l *loader) load(ctx context.Context, j job) (*batch, error) {
	b, err := l.allocate(j)
	if err != nil {
		return nil, err
	}
	if err := l.fill(ctx, b); err != nil {
		b.close()
		return nil, err
	}
	if err := l.upload(ctx, b); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// allocate returns a batch with memory for a job.
func (l *loader) allocate(j job) (*batch, error) {
	select {
	case b := <-l.free[kind{len(j.items), j.train}]:
		b.job = j
		return b, nil
	default:
	}
	b := &batch{job: j}
	var err error
	n, crop := int64(len(j.items)), int64(l.spec.Crop)
	if b.images, err = l.session.NewHostValue(ort.Uint8T, n, crop, crop, 3); err != nil {
		return nil, err
	}
	if b.labels, err = l.session.NewHostValue(ort.Int64T, n); err != nil {
		b.close()
		return nil, err
	}
	if j.train {
		for _, noise := range l.noise[len(j.items)] {
			v, err := l.session.NewHostValue(ort.Float32T, noise.Shape...)
			if err != nil {
				b.close()
				return nil, err
			}
			b.noise = append(b.noise, v)
		}
	}
	return b, nil
}

// upload copies a batch to the device while the device computes.
func (l *loader) upload(ctx context.Context, b *batch) error {
	host := b.onHost()
	if l.session.Device().Kind == ort.CPU.Kind {
		return nil
	}
	var transfers []ort.Transfer
	for i, v := range host {
		if i == len(b.onDevice) { // a batch that is used for the first time
			to, err := l.session.NewValue(v.DType(), v.Shape()...)
			if err != nil {
				return err
			}
			b.onDevice = append(b.onDevice, to)
		}
		transfers = append(transfers, ort.Transfer{To: b.onDevice[i], From: v})
	}
	return l.session.Copy(ctx, transfers...)
}

func (l *loader) fill(ctx context.Context, b *batch) error {
	pixels, labels := ort.Data[uint8](b.images.Tensor()), ort.Data[int64](b.labels.Tensor())
	size := 3 * l.spec.Crop * l.spec.Crop
	for i, item := range b.items {
		if err := ctx.Err(); err != nil {
			return err
		}
		photo := l.photos.Items[item]
		err := l.writeView(ctx, b, photo, pixels[i*size:(i+1)*size])
		var bad *photoio.Unusable
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &bad):
			return fail.Wrap(fail.Rejected, err,
				"It was usable when the run began: restore it and continue with --resume.", "%s", photo.Path)
		case fail.KindOf(err) == fail.System:
			return fail.Wrap(fail.System, err, "Continue with --resume once the photo can be read again.", "")
		case err != nil:
			return err
		}
		labels[i] = int64(photo.Label)
	}
	if b.train {
		l.drawNoise(b)
	}
	return nil
}

// writeView writes a random view of the photo for training, or its center view for evaluation.
func (l *loader) writeView(ctx context.Context, b *batch, item dataset.Item, pixels []uint8) error {
	photo, err := l.photos.reader.Read(ctx, item.Source())
	if err != nil {
		return err
	}
	defer photo.Release()
	if b.train {
		err = photo.RandomView(l.spec, random.New(l.seed, "view/"+item.Rel, uint64(b.epoch)), pixels)
	} else {
		err = photo.CenterView(l.spec, pixels)
	}
	return fail.Wrap(fail.KindOf(err), err, "", "%s", item.Path)
}

// drawNoise draws the random numbers of a training batch.
func (l *loader) drawNoise(b *batch) {
	for i, noise := range l.noise[len(b.items)] {
		draw(noise, random.New(l.seed, "noise/"+noise.Name, uint64(b.epoch), uint64(b.index)),
			ort.Data[float32](b.noise[i].Tensor()))
	}
}

// draw fills values with the random numbers of a graph's input.
func draw(noise autodiff.Noise, s *random.Stream, values []float32) {
	if noise.Drop == 0 {
		for i := range values {
			values[i] = float32(noise.Low + (noise.High-noise.Low)*float64(s.Float32()))
		}
		return
	}
	keep := float32(1 / (1 - noise.Drop))
	below := uint64(noise.Drop * (1 << 32))
	for i := range values {
		values[i] = keep
		if uint64(s.Uint32()) < below {
			values[i] = 0
		}
	}
}
