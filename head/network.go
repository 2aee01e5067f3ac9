package head

import (
	"context"
	"slices"

	"fx/internal/fail"
)

// network computes the logits, the loss and the gradients of a head. The parts of the
// work depend only on sizes and are summed in the order of the samples, so that every
// result has the same bits for any number of goroutines.
type network[T number] struct {
	layout Layout
	row    func(i int, buffer []float32) []float32
	params params[T]

	kernel  kernel[T]
	scratch []*scratch[T] // one for each goroutine
	parts   []params[T]   // the gradients of the parts of a batch after the first
}

// params are weight [classes, features] and bias [classes], or their gradients.
type params[T number] struct{ Weight, Bias []T }

func newParams[T number](l Layout) params[T] {
	return params[T]{Weight: make([]T, l.Classes*l.Features), Bias: make([]T, l.Classes)}
}

func (p params[T]) zero() {
	clear(p.Weight)
	clear(p.Bias)
}

// kernel is the arithmetic of one kind of head on the samples in scratch.
type kernel[T number] interface {
	// batch returns the largest number of samples of one call.
	batch() int
	// forward fills s.logits [count, classes] from s.input times scale.
	forward(p params[T], s *scratch[T], count int, scale T)
	// backward adds the gradient to g; s.logits then has the gradient of the
	// logits. It may overwrite the values of forward in s.
	backward(g params[T], s *scratch[T], count int, scale T)
}

func newNetwork[T number](l Layout, row func(int, []float32) []float32) *network[T] {
	n := &network[T]{layout: l, row: row, params: newParams[T](l)}
	if l.Kind == Conv1x1 {
		n.kernel = conv[T]{layout: l, vectors: vectorsOf[T]()}
	} else {
		n.kernel = linear[T]{layout: l}
	}
	return n
}

// scratch is the memory of one goroutine.
type scratch[T number] struct {
	buffer, masked []float32
	bits           []uint64 // dropout mask
	own            []T      // memory of input if no row can be used directly
	input          []T      // linear: [count, features]; conv: [features, positions]
	maps           []T      // conv: [classes, positions] before the ReLU
	logits         []T
	probabilities  []float64
}

func (n *network[T]) newScratch() *scratch[T] {
	width, count := n.layout.Width(), n.kernel.batch()
	return &scratch[T]{
		buffer: make([]float32, width), masked: make([]float32, width), bits: make([]uint64, (width+63)/64),
		own: make([]T, count*width), maps: make([]T, n.layout.Classes*n.layout.Positions),
		logits: make([]T, count*n.layout.Classes), probabilities: make([]float64, n.layout.Classes),
	}
}

// grow allocates memory for workers and parts before goroutines use it.
func (n *network[T]) grow(workers, parts int) {
	for len(n.scratch) < workers {
		n.scratch = append(n.scratch, n.newScratch())
	}
	for len(n.parts) < parts {
		n.parts = append(n.parts, newParams[T](n.layout))
	}
}

// load copies the features of samples to s.input.
func (n *network[T]) load(s *scratch[T], samples []sample, drop *dropout) error {
	width := n.layout.Width()
	for i, sample := range samples {
		row, err := n.features(s, sample, drop)
		if err != nil {
			return err
		}
		if whole, ok := any(row).([]T); ok && len(samples) == 1 {
			s.input = whole
			return nil
		}
		widen(s.own[i*width:(i+1)*width], row)
	}
	s.input = s.own
	return nil
}

// features returns the features of a sample after dropout. They may be in s, valid until
// the next call.
func (n *network[T]) features(s *scratch[T], of sample, drop *dropout) ([]float32, error) {
	row := n.row(of.row, s.buffer)
	if width := n.layout.Width(); len(row) != width {
		return nil, fail.New(fail.Usage, "The features must come from the backbone that the head is made for.",
			"row %d has %d values, the head reads %d", of.row, len(row), width)
	}
	if drop == nil {
		return row, nil
	}
	drop.fill(of, s.bits)
	applyMask(s.masked, row, s.bits)
	return s.masked, nil
}

// widen converts src to the arithmetic of dst.
func widen[T number](dst []T, src []float32) {
	if same, ok := any(dst).([]float32); ok {
		copy(same, src)
		return
	}
	for i, v := range src {
		dst[i] = T(v)
	}
}

// objective is the mean cross entropy of samples, weighted by class if classWeights is
// not nil (torch.nn.CrossEntropyLoss).
type objective struct {
	samples      []sample
	classWeights []float64
	drop         *dropout // nil: every value is kept
}

func (o objective) weight(label int) float64 {
	if o.classWeights == nil {
		return 1
	}
	return o.classWeights[label]
}

// outcome is the result of a pass over samples.
type outcome struct {
	loss    float64 // mean, weighted by class
	correct int
}

// Limits of the parts of a batch: enough multiplications for a goroutine, and gradients
// that fit the cache.
const (
	maxParts      = 8
	partWork      = 1 << 17 // multiplications of the forward pass
	partGradients = 1 << 20 // values of all parts' gradients together
)

func (n *network[T]) partCount(samples int) int {
	l := n.layout
	size := l.Classes * l.Features
	return max(1, min(maxParts, samples, samples*size*l.Positions/partWork, partGradients/size))
}

// gradient computes the loss of o at n.params and writes its gradient to g.
func (n *network[T]) gradient(ctx context.Context, o objective, g params[T]) (outcome, error) {
	var total float64
	for _, s := range o.samples {
		total += o.weight(s.label)
	}
	parts := n.partCount(len(o.samples))
	workers := workersFor(parts)
	n.grow(workers, parts-1)
	gradients := append([]params[T]{g}, n.parts[:parts-1]...)
	outcomes, errs := make([]outcome, parts), make([]error, parts)
	parallel(workers, parts, func(worker, i int) {
		from, to := span(len(o.samples), parts, i)
		gradients[i].zero()
		outcomes[i], errs[i] = n.partGradient(ctx, o, o.samples[from:to], total, n.scratch[worker], gradients[i])
	})
	var sum outcome
	for i := range parts {
		if errs[i] != nil {
			return outcome{}, errs[i]
		}
		sum.loss += outcomes[i].loss
		sum.correct += outcomes[i].correct
	}
	sum.loss /= total
	for _, part := range gradients[1:] {
		addTo(g.Weight, part.Weight)
		addTo(g.Bias, part.Bias)
	}
	return sum, nil
}

// addTo adds v to sum.
func addTo[T number](sum, v []T) {
	for i, x := range v {
		sum[i] += x
	}
}

// partGradient adds the gradient of some of o's samples to g. Its loss is a sum.
func (n *network[T]) partGradient(ctx context.Context, o objective, samples []sample, total float64, s *scratch[T],
	g params[T]) (outcome, error) {
	var sum outcome
	classes, scale := n.layout.Classes, T(1)
	if o.drop != nil {
		scale = T(o.drop.scale)
	}
	for len(samples) > 0 {
		if err := ctx.Err(); err != nil {
			return outcome{}, err
		}
		batch := samples[:min(len(samples), n.kernel.batch())]
		samples = samples[len(batch):]
		if err := n.load(s, batch, o.drop); err != nil {
			return outcome{}, err
		}
		n.kernel.forward(n.params, s, len(batch), scale)
		for i, sample := range batch {
			logits := s.logits[i*classes : (i+1)*classes]
			weight := o.weight(sample.label)
			sum.loss += weight * (softmax(logits, s.probabilities) - float64(logits[sample.label]))
			if argmax(logits) == sample.label {
				sum.correct++
			}
			s.probabilities[sample.label]--
			for c, d := range s.probabilities {
				logits[c] = T(d * weight / total)
			}
		}
		n.kernel.backward(g, s, len(batch), scale)
	}
	return sum, nil
}

// prediction is the network's result for one sample.
type prediction struct {
	class       int     // the most probable
	probability float64 // of that class
	loss        float64 // cross entropy of the true class
	logSumExp   float64 // of the logits

	probabilities []float64 // of all classes, if asked for
}

// predict runs the samples through the network without dropout. With all it returns
// the probabilities of all classes.
func (n *network[T]) predict(ctx context.Context, samples []sample, all bool) ([]prediction, error) {
	batch, classes := n.kernel.batch(), n.layout.Classes
	batches := (len(samples) + batch - 1) / batch
	workers := workersFor(batches)
	n.grow(workers, 0)
	results, errs := make([]prediction, len(samples)), make([]error, batches)
	parallel(workers, batches, func(worker, b int) {
		if errs[b] = ctx.Err(); errs[b] != nil {
			return
		}
		s := n.scratch[worker]
		some := samples[b*batch : min((b+1)*batch, len(samples))]
		if errs[b] = n.load(s, some, nil); errs[b] != nil {
			return
		}
		n.kernel.forward(n.params, s, len(some), 1)
		for i, sample := range some {
			logits := s.logits[i*classes : (i+1)*classes]
			logSumExp := softmax(logits, s.probabilities)
			class := argmax(logits)
			r := prediction{class: class, probability: s.probabilities[class],
				loss: logSumExp - float64(logits[sample.label]), logSumExp: logSumExp}
			if all {
				r.probabilities = slices.Clone(s.probabilities)
			}
			results[b*batch+i] = r
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}
