package head

import (
	"gonum.org/v1/gonum/blas"

	"fx/internal/kernels"
)

// linear is logits = x·Wᵀ + b.
type linear[T number] struct{ layout Layout }

func (k linear[T]) batch() int { return 64 }

func (k linear[T]) forward(p params[T], s *scratch[T], count int, scale T) {
	l := k.layout
	logits := s.logits[:count*l.Classes]
	kernels.MultiplyTransposed(logits, l.Classes, s.input, l.Features, count, l.Features, p.Weight, l.Features,
		l.Classes)
	for i := range count {
		for c, b := range p.Bias {
			logits[i*l.Classes+c] = b + scale*logits[i*l.Classes+c]
		}
	}
}

func (k linear[T]) backward(g params[T], s *scratch[T], count int, scale T) {
	l := k.layout
	logits := s.logits[:count*l.Classes]
	gemm(blas.Trans, blas.NoTrans, l.Classes, l.Features, count, scale, logits, s.input, g.Weight)
	for i := range count {
		addTo(g.Bias, logits[i*l.Classes:(i+1)*l.Classes])
	}
}

// conv is logits[c] = mean over p of max(0, Σ W[c,k]·x[k,p] + b[c]), one sample at a time.
type conv[T number] struct {
	layout  Layout
	vectors vectors[T]
}

// fewClasses is the number of classes up to which a channel and the maps of all classes
// fit the first cache together.
const fewClasses = 16

func (k conv[T]) batch() int { return 1 }

func (k conv[T]) forward(p params[T], s *scratch[T], _ int, scale T) {
	l := k.layout
	for c, b := range p.Bias {
		m := s.maps[c*l.Positions : (c+1)*l.Positions]
		for i := range m {
			m[i] = b
		}
	}
	if l.Classes <= fewClasses {
		for f := range l.Features {
			channel := s.input[f*l.Positions : (f+1)*l.Positions]
			for c := range l.Classes {
				k.vectors.axpy(scale*p.Weight[c*l.Features+f], channel, s.maps[c*l.Positions:(c+1)*l.Positions])
			}
		}
	} else {
		gemm(blas.NoTrans, blas.NoTrans, l.Classes, l.Positions, l.Features, scale, p.Weight, s.input, s.maps)
	}
	for c := range l.Classes {
		var sum T
		for _, v := range s.maps[c*l.Positions : (c+1)*l.Positions] {
			sum += max(v, 0) // NaN stays NaN
		}
		s.logits[c] = sum / T(l.Positions)
	}
}

func (k conv[T]) backward(g params[T], s *scratch[T], _ int, scale T) {
	l := k.layout
	for c := range l.Classes {
		slope := s.logits[c] / T(l.Positions)
		m := s.maps[c*l.Positions : (c+1)*l.Positions]
		var positive int
		for i, v := range m {
			if v > 0 {
				m[i] = slope
				positive++
			} else {
				m[i] = 0
			}
		}
		g.Bias[c] += slope * T(positive)
	}
	if l.Classes > fewClasses {
		gemm(blas.NoTrans, blas.Trans, l.Classes, l.Features, l.Positions, scale, s.maps, s.input, g.Weight)
		return
	}
	for f := range l.Features {
		channel := s.input[f*l.Positions : (f+1)*l.Positions]
		for c := range l.Classes {
			g.Weight[c*l.Features+f] += scale * k.vectors.dot(s.maps[c*l.Positions:(c+1)*l.Positions], channel)
		}
	}
}
