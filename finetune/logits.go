package finetune

import (
	"context"
	"slices"

	"fx/internal/ort"
)

// sameLogits detects whether a network gives different photos the same logits. The
// zero value has seen no photos.
type sameLogits struct {
	logits []float32 // of the first photo
	pixels []uint8   // of the first photo
	differ struct{ logits, pixels bool }
}

// add compares the logits of the batch that p ran last.
func (s *sameLogits) add(ctx context.Context, p *compiledGraph, b *batch) error {
	if s.differ.logits {
		return nil
	}
	logits, err := p.logits(ctx, len(b.items))
	if err != nil {
		return err
	}
	pixels := ort.Data[uint8](b.images.Tensor())
	classes, size := len(logits)/len(b.items), len(pixels)/len(b.items)
	if s.logits == nil {
		s.logits, s.pixels = slices.Clone(logits[:classes]), slices.Clone(pixels[:size])
	}
	for i := range b.items {
		s.differ.logits = s.differ.logits || !slices.Equal(logits[i*classes:(i+1)*classes], s.logits)
		s.differ.pixels = s.differ.pixels || !slices.Equal(pixels[i*size:(i+1)*size], s.pixels)
	}
	return nil
}

// all reports whether the photos differ and all have the same logits.
func (s *sameLogits) all() bool { return s.differ.pixels && !s.differ.logits }

// hasSameLogits reports whether the network gives all val photos the same logits, though
// the photos differ. The first batch usually shows that it does not.
func (r *run) hasSameLogits(ctx context.Context) (bool, error) {
	l := r.startLoader(ctx, position{Epoch: r.plan.epochs - 1, Step: r.plan.steps()}) // the last val phase
	defer l.stop()
	var seen sameLogits
	for photos := 0; photos < len(r.plan.val) && !seen.differ.logits; {
		b, err := l.next(ctx)
		if err != nil {
			return false, err
		}
		if _, err = r.engine.evaluate(ctx, b); err == nil {
			err = seen.add(ctx, r.engine.eval, b)
		}
		photos += len(b.items)
		l.release(b)
		if err != nil {
			return false, err
		}
	}
	return seen.all(), nil
}

// logits returns the logits [photos, classes] of the batch that p ran last. On the CPU
// they are valid until the next run.
func (p *compiledGraph) logits(ctx context.Context, photos int) ([]float32, error) {
	v := p.feeds[photos].logits
	if v.OnHost() {
		return ort.Data[float32](v.Tensor()), nil
	}
	t := ort.NewTensor(make([]float32, elements(v.Shape())), v.Shape()...)
	if err := p.session.Download(ctx, t, v); err != nil {
		return nil, err
	}
	return ort.Data[float32](t), nil
}
