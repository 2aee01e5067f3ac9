package imaging

import "sync"

// view is a rectangle of an image: w×h RGB pixels whose rows begin stride bytes apart.
type view struct {
	pix          []uint8
	w, h, stride int
}

// scratch is the memory that a resize needs besides its input and output: both sides' coefficients and the rows
// between the two passes. Its size depends on the sides of an image, not on its area.
type scratch struct {
	x, y    kernel
	between []uint8
	pair    [][3]uint64 // of the Go code
	strips  []uint8     // of the C code
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

// maxPooled limits the memory of a pooled scratch, so that the memory for one giant photo is not kept for the rest of
// the process.
const maxPooled = 8 << 20

func (s *scratch) free() {
	coefficients := 4 * (cap(s.x.coef) + cap(s.y.coef)) // many if a very long side is squashed
	if cap(s.between)+cap(s.strips)+coefficients <= maxPooled {
		scratches.Put(s)
	}
}

// room returns n bytes for the rows between the passes.
func (s *scratch) room(n int) []uint8 {
	if cap(s.between) < n {
		s.between = make([]uint8, n)
	}
	return s.between[:n]
}

// A resampler computes the two passes. All resamplers give the same values.
type resampler interface {
	name() string
	// columns resizes the columns of rows of width values that begin srcStride bytes apart in src. The first row is
	// row number first of the image.
	columns(dst []uint8, stride, width int, src []uint8, srcStride, first int, k *kernel)
	// rows resizes count rows of src. Its first column is column number first of the image.
	rows(dst []uint8, stride int, src []uint8, srcStride, count, first int, k *kernel, s *scratch)
}

// InstructionSet returns the instruction set for resizing on this machine: avx512, avx2, generic (the architecture's
// baseline vectors) or go. It is the widest that the processor has, or the one that the environment variable
// FX_KERNELS_ISA names.
func InstructionSet() string { return best().name() }

// resample writes the part x, y of v's resized pixels into dst, whose rows begin stride bytes apart, as Pillow 13's
// ImagingResample does: in two passes, each rounded to 8 bits, without a pass for a side whose size does not change.
// It computes only what the requested pixels need.
func (v view) resample(dst []uint8, stride int, x, y axis, f filter, s *scratch, r resampler) {
	across, down := x.size != v.w, y.size != v.h
	if across {
		s.x.set(v.w, x, f)
	}
	if down {
		s.y.set(v.h, y, f)
	}
	switch {
	case across && down && verticalFirst(v, x, y):
		first, end := s.x.span()
		width := 3 * (end - first)
		between := s.room(width * y.count)
		r.columns(between, width, width, v.pix[3*first:], v.stride, 0, &s.y)
		r.rows(dst, stride, between, width, y.count, first, &s.x, s)
	case across && down:
		first, end := s.y.span()
		width := 3 * x.count
		between := s.room(width * (end - first))
		r.rows(between, width, v.pix[first*v.stride:], v.stride, end-first, 0, &s.x, s)
		r.columns(dst, stride, width, between, width, first, &s.y)
	case across:
		r.rows(dst, stride, v.pix[y.first*v.stride:], v.stride, y.count, 0, &s.x, s)
	case down:
		r.columns(dst, stride, 3*x.count, v.pix[3*x.first:], v.stride, 0, &s.y)
	default:
		for i := range y.count {
			copy(dst[i*stride:][:3*x.count], v.pix[(y.first+i)*v.stride+3*x.first:])
		}
	}
}

// verticalFirst reports whether columns are resized before rows. Since version 13 (pull request 9549) Pillow does so
// if the height loses more than twice as many pixels as the width; older versions always resize rows first. The two
// orders differ by one level in some values.
func verticalFirst(v view, x, y axis) bool {
	return v.h > y.size && v.h-y.size > 2*(v.w-x.size)
}
