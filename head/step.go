package head

import (
	"context"

	"fx/internal/kernels"
)

// sgdStep performs steps of SGD on the parameters of a network.
type sgdStep interface {
	// step updates the parameters by the gradient of objective, with the options' rate
	// and decay, and returns the outcome before. If the loss is not finite, it changes nothing.
	step(ctx context.Context, of objective, o Options) (outcome, error)
}

// newSGDStep returns the fastest sgdStep for n, with velocities of 0. batch is the
// largest number of samples of a step.
func newSGDStep(n *network[float32], batch int) sgdStep {
	l := n.layout
	if l.Kind != Linear {
		return &generalStep{n, newParams[float32](l), newParams[float32](l)}
	}
	s := &linearStep{
		network: n, velocity: newParams[float32](l), gradient: make([]float32, l.Classes),
		features: make([]float32, batch*l.Features), labels: make([]int32, batch), weights: make([]float32, batch),
		losses: make([]float64, batch), residuals: make([]float32, l.Classes*batch),
	}
	s.pitch = (l.Classes + kernels.Lanes - 1) / kernels.Lanes * kernels.Lanes
	s.logits = make([]float32, batch*s.pitch)
	n.grow(1, 0)
	return s
}

// generalStep computes the whole gradient before it updates the parameters.
type generalStep struct {
	network            *network[float32]
	gradient, velocity params[float32]
}

func (s *generalStep) step(ctx context.Context, of objective, o Options) (outcome, error) {
	out, err := s.network.gradient(ctx, of, s.gradient)
	if err != nil || !finite(out.loss) {
		return out, err
	}
	o.step(s.network.params.Weight, s.gradient.Weight, s.velocity.Weight)
	o.step(s.network.params.Bias, s.gradient.Bias, s.velocity.Bias)
	return out, nil
}

// linearStep updates weights while it computes their gradient, which is never in memory
// as a whole: with many classes a step takes as long as reading and writing weights and
// velocities. Classes are divided among goroutines if there is enough work for two.
type linearStep struct {
	network  *network[float32]
	velocity params[float32]
	gradient []float32 // of the bias
	pitch    int       // distance of two rows of logits

	features  []float32 // [batch, features]
	packed    kernels.Packed[float32]
	labels    []int32
	weights   []float32 // of each sample in the mean loss
	losses    []float64
	logits    []float32 // [batch, pitch], then their gradient
	residuals []float32 // [classes, batch], its transpose
}

func (s *linearStep) step(ctx context.Context, of objective, o Options) (outcome, error) {
	l, p, count := s.network.layout, s.network.params, len(of.samples)
	if err := ctx.Err(); err != nil {
		return outcome{}, err
	}
	total, err := s.load(of)
	if err != nil {
		return outcome{}, err
	}
	s.eachClasses(count, func(from, to int) {
		kernels.MultiplyTransposed(s.logits[from:], s.pitch, s.features, l.Features, count, l.Features,
			p.Weight[from*l.Features:], l.Features, to-from)
	})
	for i := range count {
		addTo(s.logits[i*s.pitch:i*s.pitch+l.Classes], p.Bias)
	}
	out := outcome{correct: kernels.Softmax(s.logits, s.pitch, l.Classes, s.labels[:count], s.weights, s.losses)}
	for i, sample := range of.samples {
		out.loss += of.weight(sample.label) * s.losses[i]
	}
	if out.loss /= total; !finite(out.loss) {
		return out, nil
	}
	kernels.Transpose(s.residuals, count, s.logits, s.pitch, count, l.Classes)
	s.packed.Pack(s.features, l.Features, count, l.Features)
	lr, momentum, decay := float32(o.LR), float32(o.Momentum), float32(o.WeightDecay)
	s.eachClasses(count, func(from, to int) {
		part := p.Weight[from*l.Features : to*l.Features]
		kernels.HeadStep(part, s.velocity.Weight[from*l.Features:], to-from, s.residuals[from*count:], count,
			s.packed, lr, momentum, decay)
	})
	for c := range l.Classes {
		s.gradient[c] = 0
		for _, r := range s.residuals[c*count : (c+1)*count] {
			s.gradient[c] += r
		}
	}
	o.step(p.Bias, s.gradient, s.velocity.Bias)
	return out, nil
}

// load copies the features of the samples, after dropout, with their labels and weights.
// It returns the sum of the weights.
func (s *linearStep) load(of objective) (total float64, err error) {
	n, width := s.network, s.network.layout.Features
	for i, sample := range of.samples {
		row, err := n.features(n.scratch[0], sample, of.drop)
		if err != nil {
			return 0, err
		}
		to := s.features[i*width : (i+1)*width]
		copy(to, row)
		if of.drop != nil {
			scale := float32(of.drop.scale)
			for j := range to {
				to[j] *= scale
			}
		}
	}
	for _, sample := range of.samples {
		total += of.weight(sample.label)
	}
	for i, sample := range of.samples {
		s.labels[i], s.weights[i] = int32(sample.label), float32(of.weight(sample.label)/total)
	}
	return total, nil
}

// eachClasses calls do for ranges of the classes.
func (s *linearStep) eachClasses(count int, do func(from, to int)) {
	const perPiece = 24 // a multiple of the rows that kernels take together
	l := s.network.layout
	if count*l.Features*l.Classes < worthTwo {
		do(0, l.Classes)
		return
	}
	pieces := (l.Classes + perPiece - 1) / perPiece
	parallel(workersFor(pieces), pieces, func(_, i int) { do(i*perPiece, min((i+1)*perPiece, l.Classes)) })
}
