// The matrix product that all convolutions use. ROWS rows by STRIPS vectors of columns fill the registers: their sums,
// a strip of columns and a number.

#if LANES == 16 || defined(__aarch64__)
#define FOUR_STRIPS
enum { ROWS = 6, STRIPS = 4 }; // 24 + 4 + 1 of 32 registers
#else
enum { ROWS = 4, STRIPS = 3 }; // 12 + 3 + 1 of 16
#endif

enum { BLOCK = 64 }; // columns that the gradients of weights pack together

// A product of matrices: ROWS rows of count numbers, by count rows of vectors.
typedef struct {
  const float *rows, *columns;
  float *to;
  int64_t count, row_pitch, column_pitch, to_pitch;
  int add; // to the old values
} product;

// product_N computes N vectors of columns.
#define PRODUCT(N)                                                                                                     \
  static void product_##N(const product *p, int64_t at) {                                                              \
    vec sum[ROWS * N];                                                                                                 \
    const float *rows = p->rows, *columns = p->columns + at;                                                           \
    const int64_t row_pitch = p->row_pitch, column_pitch = p->column_pitch;                                            \
    UNROLL                                                                                                             \
    for (int i = 0; i < ROWS * N; i++) sum[i] = (vec){0};                                                              \
    for (int64_t c = 0; c < p->count; c++) {                                                                           \
      vec strip[N];                                                                                                    \
      UNROLL                                                                                                           \
      for (int n = 0; n < N; n++) strip[n] = load(columns + c * column_pitch + n * LANES);                             \
      UNROLL                                                                                                           \
      for (int f = 0; f < ROWS; f++) {                                                                                 \
        vec number = splat(rows[f * row_pitch + c]);                                                                   \
        UNROLL                                                                                                         \
        for (int n = 0; n < N; n++) sum[f * N + n] += number * strip[n];                                               \
      }                                                                                                                \
    }                                                                                                                  \
    UNROLL                                                                                                             \
    for (int f = 0; f < ROWS; f++) UNROLL                                                                              \
    for (int n = 0; n < N; n++) {                                                                                      \
      float *to = p->to + f * p->to_pitch + at + n * LANES;                                                            \
      vec before = {0};                                                                                                \
      if (p->add) before = load(to);                                                                                   \
      store(to, before + sum[f * N + n]);                                                                              \
    }                                                                                                                  \
  }
PRODUCT(1)
PRODUCT(2)
PRODUCT(3)
#ifdef FOUR_STRIPS
PRODUCT(4)
#endif

// multiply_matrices computes all columns, a multiple of LANES.
static void multiply_matrices(const product *p, int64_t columns) {
  int64_t strips = columns / LANES, at = 0;
  while (at < strips) {
    int64_t left = strips - at,
            n = (left + (left + STRIPS - 1) / STRIPS - 1) / ((left + STRIPS - 1) / STRIPS); // even shares
    switch (n) {
    case 1:
      product_1(p, at * LANES);
      break;
    case 2:
      product_2(p, at * LANES);
      break;
    case 3:
      product_3(p, at * LANES);
      break;
#ifdef FOUR_STRIPS
    case 4:
      product_4(p, at * LANES);
      break;
#endif
    }
    at += n;
  }
}

// transpose transposes LANES rows of LANES floats.
INLINE void transpose(const float *from, int64_t pitch, float *to, int64_t to_pitch) {
  vec v[LANES], u[LANES];
  UNROLL
  for (int i = 0; i < LANES; i++) v[i] = load(from + i * pitch);
  // Each step interleaves rows half of the remaining block apart.
  UNROLL
  for (int i = 0; i < LANES / 2; i++)
    u[2 * i] = low_pairs(v[i], v[i + LANES / 2]), u[2 * i + 1] = high_pairs(v[i], v[i + LANES / 2]);
  UNROLL
  for (int i = 0; i < LANES / 2; i++)
    v[2 * i] = low_pairs(u[i], u[i + LANES / 2]), v[2 * i + 1] = high_pairs(u[i], u[i + LANES / 2]);
#if LANES == 4
  UNROLL
  for (int i = 0; i < LANES; i++) store(to + i * to_pitch, v[i]);
#else
  UNROLL
  for (int i = 0; i < LANES / 2; i++)
    u[2 * i] = low_pairs(v[i], v[i + LANES / 2]), u[2 * i + 1] = high_pairs(v[i], v[i + LANES / 2]);
#if LANES == 8
  UNROLL
  for (int i = 0; i < LANES; i++) store(to + i * to_pitch, u[i]);
#else
  UNROLL
  for (int i = 0; i < LANES / 2; i++)
    v[2 * i] = low_pairs(u[i], u[i + LANES / 2]), v[2 * i + 1] = high_pairs(u[i], u[i + LANES / 2]);
  UNROLL
  for (int i = 0; i < LANES; i++) store(to + i * to_pitch, v[i]);
#endif
#endif
}
