// Convolution with stride 1 of a frozen network after Winograd, in ONNX Runtime's blocked layout: [batch, channels /
// LANES, height, width, LANES], where a place is a vector of channels. Kernels of 3×3 are F(4×4, 3×3), those of 5×5
// F(4×4, 5×5): a tile of 4×4 results takes 36 and 64 products, the plain sum 144 and 400.
//
//   Y = Aᵀ [ Σ over channels (G g Gᵀ) ⊙ (Bᵀ d B) ] A
//
// The points are 0, ±3/4, ±3/2 and ∞ for 3×3, with which rounding costs about twice what
// it costs the plain sum, and 0, ±1/2, ±1, ±2 and ∞ for 5×5, with which it costs about
// five times as much; 0, ±1, ±2, ∞ would cost 3×3 four times as much (B. Barabasz and
// others, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
// Neural Networks", 2020, on how points matter).

// Results along a tile's edge, places along the longest edge, points besides 0 and ∞ that occur with both signs,
// distance in places of what is prefetched, outputs multiplied together.
enum { RESULTS = FX_TILE_RESULTS, LONGEST = RESULTS + 4, PAIRS = LONGEST / 2 - 1, AHEAD = 4, PANEL = STRIPS * LANES };

// The points of tiles with an edge of 2·pairs + 2, and coefficients of polynomials in
// the square of a place's number: all is Π (z - point²), others[i] leaves point[i] out.
typedef struct {
  int pairs;
  float point[PAIRS], others[PAIRS][PAIRS], all[PAIRS + 1];
} tile_points;

#define SQUARE_A (0.75f * 0.75f)
#define SQUARE_B (1.5f * 1.5f)
static const tile_points points_3x3 = {
    2, {0.75f, 1.5f}, {{-SQUARE_B, 1}, {-SQUARE_A, 1}}, {SQUARE_A * SQUARE_B, -SQUARE_A - SQUARE_B, 1}};
static const tile_points points_5x5 = {
    3, {0.5f, 1, 2}, {{4, -5, 1}, {1, -4.25f, 1}, {0.25f, -1.25f, 1}}, {-1, 5.25f, -5.25f, 1}};

// panel_width is the number of outputs of the panel that begins with output first.
INLINE int64_t panel_width(int64_t outputs, int64_t first) { return outputs - first < PANEL ? outputs - first : PANEL; }

// The floats of one element of the transformed input: padding keeps the elements from competing for
// one set of the cache.
INLINE int64_t tile_pitch(int64_t tiles, int64_t values) { return round_up(tiles, ROWS) * values + 5 * 16; }

static int64_t tiles_scratch(const fx_window *w, int64_t tiles) {
  return fx_tile_elements(w) * (tile_pitch(tiles, w->channels) + tile_pitch(tiles, PANEL));
}

// transform_kernel_line is G of one column of a kernel of size numbers, g step apart.
INLINE void transform_kernel_line(double *to, int64_t to_step, const double *g, int64_t step, int64_t size) {
  const tile_points *points = size == 3 ? &points_3x3 : &points_5x5;
  const int finite = 2 * points->pairs + 1;
  double at[2 * PAIRS + 1] = {0};
  for (int i = 0; i < points->pairs; i++) at[2 * i + 1] = points->point[i], at[2 * i + 2] = -points->point[i];
  for (int i = 0; i < finite; i++) {
    double sum = 0, power = 1, scale = 1;
    for (int64_t k = 0; k < size; k++) sum += power * g[k * step], power *= at[i];
    for (int j = 0; j < finite; j++)
      if (j != i) scale *= at[i] - at[j];
    to[i * to_step] = sum / scale;
  }
  to[finite * to_step] = g[(size - 1) * step];
}

// tile_transform_weights writes G g Gᵀ of the panel of outputs that begins with first, as [element][channel][output].
// w is [outputs / LANES][channels / LANES][size · size][channel of LANES][output of LANES], as in ONNX Runtime.
static void tile_transform_weights(const float *w, float *to, int64_t outputs, int64_t channels, int64_t size,
                                   int64_t first) {
  const int64_t width = panel_width(outputs, first), edge = RESULTS + size - 1;
  for (int64_t o = 0; o < width; o++)
    for (int64_t c = 0; c < channels; c++) {
      double g[25], half[LONGEST * 5], u[LONGEST * LONGEST];
      const int64_t block = (first + o) / LANES * (channels / LANES) + c / LANES;
      for (int64_t k = 0; k < size * size; k++)
        g[k] = w[((block * size * size + k) * LANES + c % LANES) * LANES + (first + o) % LANES];
      for (int64_t j = 0; j < size; j++) transform_kernel_line(half + j, size, g + j, size, size);
      for (int64_t i = 0; i < edge; i++) transform_kernel_line(u + i * edge, 1, half + i * size, 1, size);
      for (int64_t e = 0; e < edge * edge; e++) to[(e * channels + c) * width + o] = (float)u[e];
    }
}

// transform_input_line is Bᵀ of an edge's vectors, step apart.
INLINE void transform_input_line(vec *to, const vec *d, int step, const tile_points *points) {
  const int pairs = points->pairs, last = 2 * pairs + 1;
  vec zero = d[last * step - step], infinity = d[last * step];
  UNROLL
  for (int k = 0; k < pairs; k++)
    zero += points->all[k] * d[2 * k * step], infinity += points->all[k] * d[(2 * k + 1) * step];
  to[0] = zero, to[last * step] = infinity;
  UNROLL
  for (int i = 0; i < pairs; i++) {
    vec even = d[2 * pairs * step], odd = d[(2 * pairs - 1) * step];
    UNROLL
    for (int k = 0; k < pairs - 1; k++)
      even += points->others[i][k] * d[(2 * k + 2) * step], odd += points->others[i][k] * d[(2 * k + 1) * step];
    odd *= points->point[i];
    to[(2 * i + 1) * step] = even + odd, to[(2 * i + 2) * step] = even - odd;
  }
}

// A tile's position: its image, and the start of its results.
typedef struct {
  int64_t image, row, column;
} tile_place;

INLINE tile_place place_of(const fx_window *w, int64_t tile) {
  const int64_t down = (w->out_height + RESULTS - 1) / RESULTS, across = (w->out_width + RESULTS - 1) / RESULTS;
  return (tile_place){tile / (down * across), tile / across % down * RESULTS, tile % across * RESULTS};
}

INLINE tile_place next_place(const fx_window *w, tile_place at) {
  at.column += RESULTS;
  if (at.column >= w->out_width) at.column = 0, at.row += RESULTS;
  if (at.row >= w->out_height) at.row = 0, at.image++;
  return at;
}

// transform_input_tile writes Bᵀ d B of one tile's vectors of channels: element e to to[e·pitch].
INLINE void transform_input_tile(float *to, int64_t pitch, const fx_window *w, const float *x, tile_place at,
                                 const tile_points *points) {
  static const float outside[LONGEST * LANES]; // zeros
  const int edge = 2 * points->pairs + 2;
  float line_of[LONGEST * LANES];
  vec d[LONGEST * LONGEST], half[LONGEST * LONGEST];
  const int64_t top = at.row - w->top, left = at.column - w->left;
  const int inside = left >= 0 && left + edge <= w->width;
  const int64_t from = left < 0 ? -left : 0, end = left + edge > w->width ? w->width - left : edge;
  for (int i = 0; i < edge; i++) {
    const int64_t y = top + i;
    const float *line = outside;
    if (y >= 0 && y < w->height) {
      line = x + (y * w->width + left) * LANES;
      UNROLL
      for (int j = 0; j < RESULTS; j++) __builtin_prefetch(line + (edge + AHEAD + j) * LANES);
      if (!inside) {
        memset(line_of, 0, sizeof line_of);
        for (int64_t j = from; j < end; j++) store(line_of + j * LANES, load(line + j * LANES));
        line = line_of;
      }
    }
    UNROLL
    for (int j = 0; j < edge; j++) d[i * edge + j] = load(line + j * LANES);
  }
  UNROLL
  for (int j = 0; j < edge; j++) transform_input_line(half + j, d + j, edge, points);
  UNROLL
  for (int i = 0; i < edge; i++) {
    vec whole[LONGEST];
    transform_input_line(whole, half + i * edge, 1, points);
    UNROLL
    for (int j = 0; j < edge; j++) store(to + (i * edge + j) * pitch, whole[j]);
  }
}

static void transform_input_tile_3x3(float *to, int64_t pitch, const fx_window *w, const float *x, tile_place at) {
  transform_input_tile(to, pitch, w, x, at, &points_3x3);
}
static void transform_input_tile_5x5(float *to, int64_t pitch, const fx_window *w, const float *x, tile_place at) {
  transform_input_tile(to, pitch, w, x, at, &points_5x5);
}

// transform_output_line is Aᵀ of an edge's vectors, step apart.
INLINE void transform_output_line(vec *to, int to_step, const vec *m, int step, const tile_points *points) {
  vec sums[RESULTS] = {m[0], {0}, {0}, m[(2 * points->pairs + 1) * step]};
  UNROLL
  for (int i = 0; i < points->pairs; i++) {
    const vec even = m[(2 * i + 1) * step] + m[(2 * i + 2) * step], odd = m[(2 * i + 1) * step] - m[(2 * i + 2) * step];
    const float p = points->point[i];
    sums[0] += even, sums[1] += p * odd, sums[2] += (p * p) * even, sums[3] += (p * p * p) * odd;
  }
  UNROLL
  for (int k = 0; k < RESULTS; k++) to[k * to_step] = sums[k];
}

// transform_output_tile writes Aᵀ M A of one tile's vectors of outputs, plus bias and sum; element e is m[e·pitch].
INLINE void transform_output_tile(const float *m, int64_t pitch, const fx_tiles_part *part, vec bias, const float *sum,
                                  float *y, tile_place at, const tile_points *points) {
  const fx_window *w = &part->window;
  const int edge = 2 * points->pairs + 2;
  vec half[RESULTS * LONGEST], column[LONGEST], line[RESULTS];
  UNROLL
  for (int j = 0; j < edge; j++) {
    UNROLL
    for (int i = 0; i < edge; i++) column[i] = load(m + (i * edge + j) * pitch);
    transform_output_line(half + j, edge, column, 1, points);
  }
  const vec zero = {0};
  const int64_t rows = w->out_height - at.row < RESULTS ? w->out_height - at.row : RESULTS;
  const int64_t columns = w->out_width - at.column < RESULTS ? w->out_width - at.column : RESULTS;
  UNROLL
  for (int i = 0; i < RESULTS; i++) {
    if (i >= rows) return;
    transform_output_line(line, 1, half + i * edge, 1, points);
    const int64_t place = ((at.row + i) * w->out_width + at.column) * LANES;
    UNROLL
    for (int j = 0; j < RESULTS; j++) {
      if (j >= columns) break;
      vec v = line[j] + bias;
      if (sum) v += load(sum + place + j * LANES);
      if (part->relu) v = choose((ivec)(v < zero), zero, v);
      store(y + place + j * LANES, v);
    }
  }
}

// convolve_tiles computes all outputs of the tiles [first, first + tiles).
static void convolve_tiles(const fx_tiles_part *part) {
  const fx_window *w = &part->window;
  const int64_t pitch = tile_pitch(part->tiles, w->channels), panel_pitch = tile_pitch(part->tiles, PANEL);
  const int64_t elements = fx_tile_elements(w), places = w->height * w->width * LANES,
                out_places = w->out_height * w->out_width * LANES;
  float *transformed = part->scratch, *panel = transformed + elements * pitch;
  const tile_place begin = place_of(w, part->first);
  void (*const transform)(float *, int64_t, const fx_window *, const float *, tile_place) =
      w->kernel_h == 3 ? transform_input_tile_3x3 : transform_input_tile_5x5;
  for (int64_t c = 0; c < w->channels; c += LANES) { // neighbouring tiles one after the other: they share places
    tile_place at = begin;
    for (int64_t t = 0; t < part->tiles; t++, at = next_place(w, at))
      transform(transformed + t * w->channels + c, pitch, w, part->x + (at.image * w->channels + c) / LANES * places,
                at);
  }
  for (int64_t o = 0; o < w->outputs; o += PANEL) {
    const int64_t width = panel_width(w->outputs, o);
    const float *weights = part->weights + o * elements * w->channels;
    for (int64_t e = 0; e < elements; e++)
      for (int64_t t = 0; t < part->tiles; t += ROWS) {
        product p = {
            .rows = transformed + e * pitch + t * w->channels,
            .columns = weights + e * w->channels * width,
            .to = panel + e * panel_pitch + t * width,
            .count = w->channels,
            .row_pitch = w->channels,
            .column_pitch = width,
            .to_pitch = width,
        };
        multiply_matrices(&p, width);
      }
    for (int64_t l = 0; l < width; l += LANES) {
      const vec bias = part->bias ? load(part->bias + o + l) : (vec){0};
      tile_place at = begin;
      for (int64_t t = 0; t < part->tiles; t++, at = next_place(w, at)) {
        const int64_t offset = (at.image * w->outputs + o + l) / LANES * out_places;
        const float *sum = part->sum ? part->sum + offset : NULL;
        const float *m = panel + t * width + l;
        if (w->kernel_h == 3)
          transform_output_tile(m, panel_pitch, part, bias, sum, part->y + offset, at, &points_3x3);
        else
          transform_output_tile(m, panel_pitch, part, bias, sum, part->y + offset, at, &points_5x5);
      }
    }
  }
}
