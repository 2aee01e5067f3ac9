// Pillow's resize in vectors: the interface between resample_cgo.go and the
// template resample.inc.h, which is compiled for each instruction set.
#ifndef FX_RESAMPLE_H
#define FX_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

// Fixed-point coefficients of a resize of one side, kernel in coefficients.go:
// output i is Σ coef[i·taps + t] · input[start[i] + t].
typedef struct {
  int64_t count, taps;
  const int32_t *start; // [count]
  const int32_t *coef;  // [count][taps]
} fx_kernel;

typedef struct {
  const char *name;
  // columns resizes the columns of rows of width values that begin src_stride bytes apart. The first row is row number
  // first of the image.
  void (*columns)(uint8_t *dst, int64_t stride, int64_t width, const uint8_t *src, int64_t src_stride, int64_t first,
                  const fx_kernel *k);
  // rows resizes count rows. src begins with the first pixel that k reads, number k->start[0] of the image; k reads
  // pixels pixels. scratch has FX_STRIP·3·(pixels + k->count) bytes.
  void (*rows)(uint8_t *dst, int64_t stride, const uint8_t *src, int64_t src_stride, int64_t count, int64_t pixels,
               const fx_kernel *k, uint8_t *scratch);
} fx_resampler;

// The number of rows that are resized together.
#define FX_STRIP 16

// fx_resamplers returns the i-th resampler that this processor supports, the widest first, and NULL after the last.
const fx_resampler *fx_resamplers(int i);
extern const fx_resampler fx_resampler_generic, fx_resampler_avx2, fx_resampler_avx512;

#endif
