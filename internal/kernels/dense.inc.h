// Products of dense row-major matrices, and what a classifier's head does with them.
// Included once for each REAL; NAME puts its suffix on a name. A pitch is the
// distance of two rows, in numbers.
//
// The right matrix of a product is packed: PANEL of its columns together, row by row, the last panel filled up with
// zeros. Each number of a result is one chain of fused multiply-adds along k, cut at DEPTH, independent of the other
// rows and columns: a part of a product has the same bits as in the whole.

#define WIDE NAME(wide)
#define PANEL NAME(panel)
#define DEPTH NAME(depth)
#define rvec NAME(rvec)
#define SUM_LANES NAME(sum_lanes)

enum {
  WIDE = BYTES / sizeof(REAL),
  PANEL = STRIPS * WIDE,
  DEPTH = 512
}; // a panel of that depth stays in the second-level cache

typedef REAL rvec __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

// SUM_LANES adds lanes in pairs.
INLINE REAL SUM_LANES(rvec v) {
  REAL lanes[WIDE];
  *(rvec *)lanes = v;
  for (int half = WIDE / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

static void NAME(pack)(REAL *to, const REAL *b, int64_t pitch, int64_t k, int64_t columns) {
  for (; columns > 0; columns -= PANEL, b += PANEL) {
    const int64_t width = columns < PANEL ? columns : PANEL;
    if (width == PANEL) {
      for (int64_t i = 0; i < k; i++, to += PANEL) UNROLL
      for (int n = 0; n < STRIPS; n++) *(rvec *)(to + n * WIDE) = *(const rvec *)(b + i * pitch + n * WIDE);
      continue;
    }
    for (int64_t i = 0; i < k; i++, to += PANEL) {
      memcpy(to, b + i * pitch, (size_t)width * sizeof(REAL));
      for (int64_t j = width; j < PANEL; j++) to[j] = 0;
    }
  }
}

// pack_transposed packs the transpose of b [columns][k].
static void NAME(pack_transposed)(REAL *to, const REAL *b, int64_t pitch, int64_t k, int64_t columns) {
  enum { TILE = 8 }; // rows of a panel that are written while they are in the first-level cache
  for (; columns > 0; columns -= PANEL, b += PANEL * pitch, to += PANEL * k) {
    const int64_t width = columns < PANEL ? columns : PANEL;
    for (int64_t i = 0; i < k; i += TILE) {
      const int64_t end = i + TILE < k ? i + TILE : k;
      for (int64_t j = 0; j < width; j++)
        for (int64_t r = i; r < end; r++) to[r * PANEL + j] = b[j * pitch + r];
      for (int64_t j = width; j < PANEL; j++)
        for (int64_t r = i; r < end; r++) to[r * PANEL + j] = 0;
    }
  }
}

// The sums of rows × strips vectors: a [rows][k], b [k][strips].
#define TILE_SUMS(rows, strips)                                                                                        \
  rvec sum[(rows) * (strips)];                                                                                         \
  UNROLL                                                                                                               \
  for (int i = 0; i < (rows) * (strips); i++) sum[i] = (rvec){0};                                                      \
  for (int64_t c = 0; c < k; c++) {                                                                                    \
    rvec strip[strips];                                                                                                \
    UNROLL                                                                                                             \
    for (int n = 0; n < (strips); n++) strip[n] = *(const rvec *)(b + c * b_pitch + n * WIDE);                         \
    UNROLL                                                                                                             \
    for (int f = 0; f < (rows); f++) {                                                                                 \
      rvec number = a[f * a_pitch + c] - (rvec){0};                                                                    \
      UNROLL                                                                                                           \
      for (int n = 0; n < (strips); n++) sum[f * (strips) + n] += number * strip[n];                                   \
    }                                                                                                                  \
  }

// A tile of a product: c = or += a·b.
#define TILE(rows, strips)                                                                                             \
  static void NAME(tile_##rows##_##strips)(REAL * c, int64_t c_pitch, const REAL *a, int64_t a_pitch, int64_t k,       \
                                           const REAL *b, int64_t b_pitch, int add) {                                  \
    TILE_SUMS(rows, strips)                                                                                            \
    UNROLL                                                                                                             \
    for (int f = 0; f < (rows); f++) UNROLL                                                                            \
    for (int n = 0; n < (strips); n++) {                                                                               \
      rvec *to = (rvec *)(c + f * c_pitch + n * WIDE), before = {0};                                                   \
      if (add) before = *to;                                                                                           \
      *to = before + sum[f * (strips) + n];                                                                            \
    }                                                                                                                  \
  }
#ifdef FOUR_STRIPS
#define TILE_ROW(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3) TILE(rows, 4)
#define TILE_NAMES(rows) {NAME(tile_##rows##_1), NAME(tile_##rows##_2), NAME(tile_##rows##_3), NAME(tile_##rows##_4)}
TILE_ROW(1)
TILE_ROW(2)
TILE_ROW(3)
TILE_ROW(4) TILE_ROW(5) TILE_ROW(6)
#else
#define TILE_ROW(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#define TILE_NAMES(rows) {NAME(tile_##rows##_1), NAME(tile_##rows##_2), NAME(tile_##rows##_3)}
TILE_ROW(1)
TILE_ROW(2)
TILE_ROW(3)
TILE_ROW(4)
#endif

    typedef void (*NAME(tile))(REAL *c, int64_t c_pitch, const REAL *a, int64_t a_pitch, int64_t k, const REAL *b,
                               int64_t b_pitch, int add);

static const NAME(tile) NAME(tiles)[ROWS][STRIPS] = {
    TILE_NAMES(1), TILE_NAMES(2), TILE_NAMES(3), TILE_NAMES(4),
#ifdef FOUR_STRIPS
    TILE_NAMES(5), TILE_NAMES(6),
#endif
};

// multiply is c = or += a·b, a [rows][k], b packed [k][columns].
static void NAME(multiply)(REAL *c, int64_t c_pitch, const REAL *a, int64_t a_pitch, int64_t rows, int64_t k,
                           const REAL *b, int64_t columns, int add) {
  for (; columns > 0; columns -= PANEL, c += PANEL, b += PANEL * k) {
    const int64_t width = columns < PANEL ? columns : PANEL, strips = (width + WIDE - 1) / WIDE;
    const int ragged = width != strips * WIDE;
    for (int64_t depth = 0; depth < k || depth == 0; depth += DEPTH) {
      const int64_t deep = k - depth < DEPTH ? k - depth : DEPTH;
      for (int64_t row = 0; row < rows; row += ROWS) {
        const int64_t high = rows - row < ROWS ? rows - row : ROWS;
        const NAME(tile) tile = NAME(tiles)[high - 1][strips - 1];
        const REAL *from = a + row * a_pitch + depth;
        REAL *to = c + row * c_pitch;
        if (!ragged) {
          tile(to, c_pitch, from, a_pitch, deep, b + depth * PANEL, PANEL, add || depth > 0);
          continue;
        }
        REAL edge[ROWS * PANEL];
        tile(edge, PANEL, from, a_pitch, deep, b + depth * PANEL, PANEL, 0);
        for (int64_t i = 0; i < high; i++)
          for (int64_t j = 0; j < width; j++)
            to[i * c_pitch + j] = add || depth > 0 ? to[i * c_pitch + j] + edge[i * PANEL + j] : edge[i * PANEL + j];
      }
    }
  }
}

// add_product is c += a·b, a [rows][k], b [k][columns], b's whole panels without packing, which takes longer than the
// product if a has few rows.
static void NAME(add_product)(REAL *c, int64_t c_pitch, const REAL *a, int64_t a_pitch, int64_t rows, int64_t k,
                              const REAL *b, int64_t b_pitch, int64_t columns) {
  const int64_t whole = columns - columns % PANEL;
  REAL edge[DEPTH * PANEL];
  for (int64_t depth = 0; depth < k; depth += DEPTH) {
    const int64_t deep = k - depth < DEPTH ? k - depth : DEPTH;
    for (int64_t column = 0; column < whole; column += PANEL)
      for (int64_t row = 0; row < rows; row += ROWS) {
        const int64_t high = rows - row < ROWS ? rows - row : ROWS;
        NAME(tiles)
        [high - 1][STRIPS - 1](c + row *c_pitch + column, c_pitch, a + row *a_pitch + depth, a_pitch, deep,
                               b + depth *b_pitch + column, b_pitch, 1);
      }
    if (whole == columns) continue;
    NAME(pack)(edge, b + depth * b_pitch + whole, b_pitch, deep, columns - whole);
    NAME(multiply)(c + whole, c_pitch, a + depth, a_pitch, rows, deep, edge, columns - whole, 1);
  }
}

// dots is c = a·bᵀ, a [rows][k], b [columns][k]: nothing is packed, which is faster if either has few rows.
#define DOTS(rows, columns)                                                                                            \
  static void NAME(dots_##rows##_##columns)(REAL * c, int64_t c_pitch, const REAL *a, int64_t a_pitch, int64_t k,      \
                                            const REAL *b, int64_t b_pitch) {                                          \
    rvec sum[(rows) * (columns)];                                                                                      \
    UNROLL                                                                                                             \
    for (int i = 0; i < (rows) * (columns); i++) sum[i] = (rvec){0};                                                   \
    int64_t i = 0;                                                                                                     \
    for (; i + WIDE <= k; i += WIDE) {                                                                                 \
      rvec left[rows];                                                                                                 \
      UNROLL                                                                                                           \
      for (int f = 0; f < (rows); f++) left[f] = *(const rvec *)(a + f * a_pitch + i);                                 \
      UNROLL                                                                                                           \
      for (int n = 0; n < (columns); n++) {                                                                            \
        rvec right = *(const rvec *)(b + n * b_pitch + i);                                                             \
        UNROLL                                                                                                         \
        for (int f = 0; f < (rows); f++) sum[f * (columns) + n] += left[f] * right;                                    \
      }                                                                                                                \
    }                                                                                                                  \
    for (int f = 0; f < (rows); f++)                                                                                   \
      for (int n = 0; n < (columns); n++) {                                                                            \
        REAL rest = 0;                                                                                                 \
        for (int64_t r = i; r < k; r++) rest += a[f * a_pitch + r] * b[n * b_pitch + r];                               \
        c[f * c_pitch + n] = SUM_LANES(sum[f * (columns) + n]) + rest;                                                 \
      }                                                                                                                \
  }
#if LANES == 16 || defined(__aarch64__)
enum { NAME(dot_rows) = 4, NAME(dot_columns) = 4 };
DOTS(4, 4)
DOTS(4, 2)
DOTS(4, 1)
DOTS(1, 1)
#define DOTS_ALL NAME(dots_4_4)
#else
enum { NAME(dot_rows) = 4, NAME(dot_columns) = 2 };
DOTS(4, 2)
DOTS(4, 1)
DOTS(1, 1)
#define DOTS_ALL NAME(dots_4_2)
#endif

    static void NAME(dots)(REAL *c, int64_t c_pitch, const REAL *a, int64_t a_pitch, int64_t rows, int64_t k,
                           const REAL *b, int64_t b_pitch, int64_t columns) {
  for (int64_t n = 0; n < columns;) {
    const int64_t left = columns - n, wide = left >= NAME(dot_columns) ? NAME(dot_columns) : left >= 2 ? 2 : 1;
    const REAL *right = b + n * b_pitch;
    for (int64_t f = 0; f < rows; f += NAME(dot_rows)) {
      REAL *to = c + f * c_pitch + n;
      if (rows - f >= NAME(dot_rows)) {
        if (wide == NAME(dot_columns))
          DOTS_ALL(to, c_pitch, a + f * a_pitch, a_pitch, k, right, b_pitch);
        else if (wide == 2)
          NAME(dots_4_2)(to, c_pitch, a + f * a_pitch, a_pitch, k, right, b_pitch);
        else
          NAME(dots_4_1)(to, c_pitch, a + f * a_pitch, a_pitch, k, right, b_pitch);
        continue;
      }
      for (int64_t r = f; r < rows; r++)
        for (int64_t m = 0; m < wide; m++)
          NAME(dots_1_1)(c + r * c_pitch + n + m, c_pitch, a + r * a_pitch, a_pitch, k, right + m * b_pitch, b_pitch);
    }
    n += wide;
  }
}

#undef DOTS
#undef DOTS_ALL
#undef TILE
#undef TILE_ROW
#undef TILE_NAMES
#undef TILE_SUMS
#undef WIDE
#undef PANEL
#undef DEPTH
#undef rvec
#undef SUM_LANES
