package imaging

/*
#cgo CFLAGS: -O3 -I${SRCDIR}/../kernels
#include "resample.h"

static void fx_columns(const fx_resampler *r, uint8_t *dst, int64_t stride, int64_t width, const uint8_t *src,
                       int64_t src_stride, int64_t first, int64_t count, int64_t taps, const int32_t *start,
                       const int32_t *coef) {
  fx_kernel k = {count, taps, start, coef};
  r->columns(dst, stride, width, src, src_stride, first, &k);
}

static void fx_rows(const fx_resampler *r, uint8_t *dst, int64_t stride, const uint8_t *src, int64_t src_stride,
                    int64_t rows, int64_t pixels, int64_t count, int64_t taps, const int32_t *start,
                    const int32_t *coef, uint8_t *scratch) {
  fx_kernel k = {count, taps, start, coef};
  r->rows(dst, stride, src, src_stride, rows, pixels, &k, scratch);
}
*/
import "C"

import (
	"os"
	"sync"
	"unsafe"
)

// vectors resizes with the C code for one instruction set.
type vectors struct{ r *C.fx_resampler }

// resamplers returns those that this processor supports, the fastest first.
func resamplers() (all []resampler) {
	for i := C.int(0); ; i++ {
		r := C.fx_resamplers(i)
		if r == nil {
			return append(all, pure{})
		}
		all = append(all, vectors{r})
	}
}

// best is the fastest resampler, or the one that FX_KERNELS_ISA names.
var best = sync.OnceValue(func() resampler {
	all := resamplers()
	for _, r := range all {
		if r.name() == os.Getenv("FX_KERNELS_ISA") {
			return r
		}
	}
	return all[0]
})

func (v vectors) name() string { return C.GoString(v.r.name) }

func (v vectors) columns(dst []uint8, stride, width int, src []uint8, srcStride, first int, k *kernel) {
	C.fx_columns(v.r, bytesOf(dst), C.int64_t(stride), C.int64_t(width), bytesOf(src), C.int64_t(srcStride),
		C.int64_t(first), C.int64_t(len(k.start)), C.int64_t(k.taps), intsOf(k.start), intsOf(k.coef))
}

func (v vectors) rows(dst []uint8, stride int, src []uint8, srcStride, count, first int, k *kernel, s *scratch) {
	from, end := k.span()
	n := C.FX_STRIP * 3 * (end - from + len(k.start))
	if cap(s.strips) < n {
		s.strips = make([]uint8, n)
	}
	C.fx_rows(v.r, bytesOf(dst), C.int64_t(stride), bytesOf(src[3*(from-first):]), C.int64_t(srcStride),
		C.int64_t(count), C.int64_t(end-from), C.int64_t(len(k.start)), C.int64_t(k.taps),
		intsOf(k.start), intsOf(k.coef), bytesOf(s.strips[:n]))
}

func bytesOf(s []uint8) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(s)) }
func intsOf(s []int32) *C.int32_t  { return (*C.int32_t)(unsafe.SliceData(s)) }
