// Vectors of floats for the templates *.inc.h, which are compiled once for each
// instruction set: the including file sets LANES to 4, 8 or 16.
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BYTES (LANES * 4)

// A loop over an array of vectors is unrolled, so that they stay in registers.
#define UNROLL _Pragma("GCC unroll 32")

// vec needs no alignment. ivec has one integer per lane, and is the result of comparisons of vec: -1 for true.
typedef float vec __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(BYTES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec splat(float x) { return x - (vec){0}; }

// SHUFFLE picks lanes of a, and from index LANES on of b.
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif

INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// choose takes a if the mask is -1, b if it is 0.
INLINE vec choose(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }

// even_lanes and odd_lanes pick every second lane of a and b, one after the other;
// low_pairs and high_pairs are the halves of a[0] b[0] a[1] b[1] …
#if LANES == 16
INLINE vec even_lanes(vec a, vec b) { return SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30); }
INLINE vec odd_lanes(vec a, vec b) { return SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31); }
INLINE vec low_pairs(vec a, vec b) { return SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); }
INLINE vec high_pairs(vec a, vec b) {
  return SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif LANES == 8
INLINE vec even_lanes(vec a, vec b) { return SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
INLINE vec odd_lanes(vec a, vec b) { return SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15); }
INLINE vec low_pairs(vec a, vec b) { return SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
INLINE vec high_pairs(vec a, vec b) { return SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
INLINE vec even_lanes(vec a, vec b) { return SHUFFLE(a, b, 0, 2, 4, 6); }
INLINE vec odd_lanes(vec a, vec b) { return SHUFFLE(a, b, 1, 3, 5, 7); }
INLINE vec low_pairs(vec a, vec b) { return SHUFFLE(a, b, 0, 4, 1, 5); }
INLINE vec high_pairs(vec a, vec b) { return SHUFFLE(a, b, 2, 6, 3, 7); }
#endif

INLINE void store_pairs(float *to, vec a, vec b) {
  store(to, low_pairs(a, b));
  store(to + LANES, high_pairs(a, b));
}

// load_part reads count < LANES floats, and zeros for the rest; store_part writes as many.
#if LANES == 16
#define FIRST(count) (__mmask16)((1u << (count)) - 1)
INLINE vec load_part(const float *p, int64_t count) { return (vec)_mm512_maskz_loadu_ps(FIRST(count), p); }
INLINE void store_part(float *p, vec v, int64_t count) { _mm512_mask_storeu_ps(p, FIRST(count), (__m512)v); }
#elif LANES == 8
#define FIRST(count) _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
INLINE vec load_part(const float *p, int64_t count) { return (vec)_mm256_maskload_ps(p, FIRST(count)); }
INLINE void store_part(float *p, vec v, int64_t count) { _mm256_maskstore_ps(p, FIRST(count), (__m256)v); }
#else
INLINE vec load_part(const float *p, int64_t count) {
  vec v = {0};
  memcpy(&v, p, (size_t)count * 4);
  return v;
}
INLINE void store_part(float *p, vec v, int64_t count) { memcpy(p, &v, (size_t)count * 4); }
#endif

// lanes_sum adds the lanes in double precision, in order.
INLINE double lanes_sum(vec v) {
  double sum = 0;
  for (int i = 0; i < LANES; i++) sum += v[i];
  return sum;
}

// copy_run copies a short row, for which a call of memcpy would cost more than the copy.
INLINE void copy_run(float *to, const float *from, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
  if (i < count) store_part(to + i, load_part(from + i, count - i), count - i);
}

// exponential is e^x in single precision, for x up to 88, with the method and polynomial of Cephes' expf and an error
// of at most two units in the last place. Below -87 it is that of -87; NaN stays NaN.
INLINE vec exponential(vec x) {
  x = choose((ivec)(x < -87.0f), splat(-87.0f), x);
  const vec magic = splat(12582912.0f); // 1.5·2²³: adding it rounds to an integer
  vec rounded = x * 1.44269504088896341f + magic;
  const ivec shift = (ivec)rounded << 23;
  rounded -= magic;
  x -= rounded * 0.693359375f;
  x -= rounded * -2.12194440e-4f;
  vec y = splat(1.9875691500e-4f);
  y = y * x + 1.3981999507e-3f;
  y = y * x + 8.3334519073e-3f;
  y = y * x + 4.1665795894e-2f;
  y = y * x + 1.6666665459e-1f;
  y = y * x + 5.0000001201e-1f;
  y = y * x * x + x + 1.0f;
  return (vec)((ivec)y + shift);
}
