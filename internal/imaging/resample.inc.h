// Pillow's resize for vectors of LANES 32-bit sums. The including file sets
// LANES to 4, 8 or 16.
//
// Columns are resized straight from memory, neighbours side by side. Rows are turned into columns first: FX_STRIP rows
// at a time are transposed, so that a channel of a pixel is FX_STRIP bytes, one of each row; after the resize they are
// transposed back. So both passes use the same sum of products, whose vectors are loaded without gathering pixels.
#include <stdint.h>
#include <string.h>

#include "resample.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef uint32_t sums __attribute__((vector_size(LANES * 4)));
typedef uint8_t strip __attribute__((vector_size(FX_STRIP), aligned(1), may_alias));

// coefficients.go, precision
#define PRECISION 22
#define HALF (1u << (PRECISION - 1))

INLINE uint8_t limit(uint32_t sum) {
  int32_t v = (int32_t)sum >> PRECISION;
  return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

// SHUFFLE picks bytes of a, and from index 16 on of b.
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (strip){__VA_ARGS__})
#endif

INLINE strip low_pairs(strip a, strip b) {
  return SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INLINE strip high_pairs(strip a, strip b) {
  return SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// widen reads LANES values, times multiplies them by a coefficient, and narrow rounds sums down and limits them to 8
// bits. (Compilers implement __builtin_convertvector byte by byte.)
#if LANES == 16
INLINE sums widen(const uint8_t *p) { return (sums)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
INLINE sums times(sums v, int32_t c) { return v * (uint32_t)c; }
INLINE void narrow(uint8_t *to, sums s) {
  __m512i v = _mm512_max_epi32(_mm512_srai_epi32((__m512i)s, PRECISION), _mm512_setzero_si512());
  _mm_storeu_si128((__m128i *)to, _mm512_cvtusepi32_epi8(v));
}
#elif LANES == 8
INLINE sums widen(const uint8_t *p) { return (sums)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
INLINE sums times(sums v, int32_t c) { return v * (uint32_t)c; }
INLINE void narrow(uint8_t *to, sums s) {
  __m256i v = _mm256_srai_epi32((__m256i)s, PRECISION);
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
}
#elif defined(__SSE2__)
INLINE sums widen(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, LANES);
  strip zero = {0}, v = low_pairs(low_pairs((strip)_mm_cvtsi32_si128(four), zero), zero);
  return (sums)v;
}
// SSE2 multiplies only 16-bit integers: the coefficient is split into its lower 15 bits and those above, and a value
// is in a lane's lower half.
INLINE sums times(sums v, int32_t c) {
  sums low = (sums)_mm_madd_epi16((__m128i)v, _mm_set1_epi32(c & 0x7fff));
  return low + ((sums)_mm_madd_epi16((__m128i)v, _mm_set1_epi32((c >> 15) & 0xffff)) << 15);
}
INLINE void narrow(uint8_t *to, sums s) {
  __m128i v = _mm_srai_epi32((__m128i)s, PRECISION);
  v = _mm_packs_epi32(v, v);
  int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(v, v));
  memcpy(to, &four, LANES);
}
#elif defined(NEON)
INLINE sums widen(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, LANES);
  return (sums)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
}
INLINE sums times(sums v, int32_t c) { return v * (uint32_t)c; }
INLINE void narrow(uint8_t *to, sums s) {
  uint16x4_t words = vqmovun_s32(vshrq_n_s32((int32x4_t)s, PRECISION));
  uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))), 0);
  memcpy(to, &four, LANES);
}
#else
INLINE sums widen(const uint8_t *p) { return (sums){p[0], p[1], p[2], p[3]}; }
INLINE sums times(sums v, int32_t c) { return v * (uint32_t)c; }
INLINE void narrow(uint8_t *to, sums s) {
  for (int i = 0; i < LANES; i++) to[i] = limit(s[i]);
}
#endif

// BLOCK values are summed up together: the three channels of a strip.
#define BLOCK (3 * FX_STRIP)
#define VECTORS (BLOCK / LANES)

INLINE void sum_block(uint8_t *to, const uint8_t *from, int64_t stride, const int32_t *coef, int64_t taps) {
  sums s[VECTORS];
  UNROLL for (int v = 0; v < VECTORS; v++) s[v] = HALF - (sums){0};
  for (int64_t t = 0; t < taps; t++, from += stride) {
    UNROLL for (int v = 0; v < VECTORS; v++) s[v] += times(widen(from + v * LANES), coef[t]);
  }
  UNROLL for (int v = 0; v < VECTORS; v++) narrow(to + v * LANES, s[v]);
}

INLINE void sum_vector(uint8_t *to, const uint8_t *from, int64_t stride, const int32_t *coef, int64_t taps) {
  sums s = HALF - (sums){0};
  for (int64_t t = 0; t < taps; t++, from += stride) s += times(widen(from), coef[t]);
  narrow(to, s);
}

INLINE uint8_t sum_one(const uint8_t *from, int64_t stride, const int32_t *coef, int64_t taps) {
  uint32_t s = HALF;
  for (int64_t t = 0; t < taps; t++, from += stride) s += *from * (uint32_t)coef[t];
  return limit(s);
}

static void columns(uint8_t *dst, int64_t stride, int64_t width, const uint8_t *src, int64_t src_stride, int64_t first,
                    const fx_kernel *k) {
  for (int64_t i = 0; i < k->count; i++) {
    const int32_t *coef = k->coef + i * k->taps;
    const uint8_t *from = src + (k->start[i] - first) * src_stride;
    uint8_t *to = dst + i * stride;
    int64_t x = 0;
    for (; x + BLOCK <= width; x += BLOCK) sum_block(to + x, from + x, src_stride, coef, k->taps);
    for (; x + LANES <= width; x += LANES) sum_vector(to + x, from + x, src_stride, coef, k->taps);
    for (; x < width; x++) to[x] = sum_one(from + x, src_stride, coef, k->taps);
  }
}

// transpose transposes 16×16 bytes by interleaving the upper and the lower half four times.
INLINE void transpose(strip r[FX_STRIP]) {
  UNROLL for (int step = 0; step < 4; step++) {
    strip q[FX_STRIP];
    UNROLL for (int i = 0; i < 8; i++) {
      q[2 * i] = low_pairs(r[i], r[i + 8]);
      q[2 * i + 1] = high_pairs(r[i], r[i + 8]);
    }
    UNROLL for (int i = 0; i < FX_STRIP; i++) r[i] = q[i];
  }
}

// rows_to_columns writes n bytes of each of FX_STRIP rows as n columns.
static void rows_to_columns(uint8_t *to, const uint8_t *const rows[FX_STRIP], int64_t n) {
  if (n < FX_STRIP) {
    for (int64_t x = 0; x < n; x++)
      for (int i = 0; i < FX_STRIP; i++) to[x * FX_STRIP + i] = rows[i][x];
    return;
  }
  for (int64_t at = 0; at < n; at += FX_STRIP) {
    int64_t x = at < n - FX_STRIP ? at : n - FX_STRIP; // the last ones overlap those before
    strip r[FX_STRIP];
    UNROLL for (int i = 0; i < FX_STRIP; i++) r[i] = *(const strip *)(rows[i] + x);
    transpose(r);
    UNROLL for (int i = 0; i < FX_STRIP; i++) * (strip *)(to + (x + i) * FX_STRIP) = r[i];
  }
}

// columns_to_rows is the inverse, into count rows.
static void columns_to_rows(uint8_t *to, int64_t stride, int64_t count, const uint8_t *columns, int64_t n) {
  if (n < FX_STRIP) {
    for (int64_t x = 0; x < n; x++)
      for (int64_t i = 0; i < count; i++) to[i * stride + x] = columns[x * FX_STRIP + i];
    return;
  }
  for (int64_t at = 0; at < n; at += FX_STRIP) {
    int64_t x = at < n - FX_STRIP ? at : n - FX_STRIP;
    strip r[FX_STRIP];
    UNROLL for (int i = 0; i < FX_STRIP; i++) r[i] = *(const strip *)(columns + (x + i) * FX_STRIP);
    transpose(r);
    if (count == FX_STRIP) {
      UNROLL for (int i = 0; i < FX_STRIP; i++) * (strip *)(to + i * stride + x) = r[i];
    } else {
      for (int64_t i = 0; i < count; i++) *(strip *)(to + i * stride + x) = r[i];
    }
  }
}

static void rows(uint8_t *dst, int64_t stride, const uint8_t *src, int64_t src_stride, int64_t count, int64_t pixels,
                 const fx_kernel *k, uint8_t *scratch) {
  uint8_t *out = scratch + FX_STRIP * 3 * pixels;
  for (int64_t y = 0; y < count; y += FX_STRIP) {
    int64_t n = count - y < FX_STRIP ? count - y : FX_STRIP;
    const uint8_t *from[FX_STRIP];
    for (int64_t i = 0; i < FX_STRIP; i++) from[i] = src + (y + (i < n ? i : n - 1)) * src_stride;
    rows_to_columns(scratch, from, 3 * pixels);
    columns(out, BLOCK, BLOCK, scratch, BLOCK, k->start[0], k);
    columns_to_rows(dst + y * stride, stride, n, out, 3 * k->count);
  }
}

const fx_resampler RESAMPLER = {.name = ISA_NAME, .columns = columns, .rows = rows};
