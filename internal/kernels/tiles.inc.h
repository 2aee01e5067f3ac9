// Convolution with stride 1 of a frozen network after Winograd, in ONNX Runtime's
// blocked layout: [batch, channels / LANES, height, width, LANES], where a place is
// a vector of channels. Kernels of 3×3 are F(4×4, 3×3), those of 5×5 F(2×2, 5×5): a tile
// of 4×4 results takes 36 products where the plain sum takes 144, one of 2×2 results 36
// where that takes 100. Both read 6×6 places and share Bᵀ:
//
//   Y = Aᵀ [ Σ over channels (G g Gᵀ) ⊙ (Bᵀ d B) ] A
//
// The points are 0, ±3/4, ±3/2 and ∞, with which rounding costs about twice what it
// costs the plain sum; 0, ±1, ±2, ∞ cost four times as much (B. Barabasz and others,
// "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural
// Networks", 2020, on how points matter).

enum { EDGE = 6, SPECTRUM = EDGE * EDGE, PANEL = STRIPS * LANES }; // places read by a tile; outputs multiplied together

#define POINT_A 0.75
#define POINT_B 1.5

// The results along one edge of a tile.
INLINE int64_t tile_results(const fx_window *w) { return EDGE + 1 - w->kernel_h; }

// panel_width is the number of outputs of the panel that begins with output first.
INLINE int64_t panel_width(int64_t outputs, int64_t first) { return outputs - first < PANEL ? outputs - first : PANEL; }

// The floats of one element's spectra: a padding keeps the 36 from competing for
// one set of the cache.
INLINE int64_t tile_pitch(int64_t tiles, int64_t values) { return round_up(tiles, ROWS) * values + 5 * 16; }

static int64_t tiles_scratch(const fx_window *w, int64_t tiles) {
  return SPECTRUM * (tile_pitch(tiles, w->channels) + tile_pitch(tiles, PANEL));
}

// through_kernel is G of one column of a kernel of size numbers, g step apart.
INLINE void through_kernel(double *to, int64_t to_step, const double *g, int64_t step, int64_t size) {
  const double a = POINT_A, b = POINT_B, points[5] = {0, a, -a, b, -b};
  const double at_a = 1 / (2 * a * a * (a * a - b * b)), at_b = 1 / (2 * b * b * (b * b - a * a));
  const double scales[5] = {1 / (a * a * b * b), at_a, at_a, at_b, at_b};
  for (int i = 0; i < 5; i++) {
    double sum = 0, power = 1;
    for (int64_t k = 0; k < size; k++) sum += power * g[k * step], power *= points[i];
    to[i * to_step] = scales[i] * sum;
  }
  to[5 * to_step] = g[(size - 1) * step];
}

// tiles_weights lays out G g Gᵀ of the panel of outputs that begins with first, as
// [element][channel][output]. w is [outputs / LANES][channels / LANES][size · size][channel
// of LANES][output of LANES], as ONNX Runtime has it.
static void tiles_weights(const float *w, float *to, int64_t outputs, int64_t channels, int64_t size, int64_t first) {
  const int64_t width = panel_width(outputs, first);
  for (int64_t o = 0; o < width; o++)
    for (int64_t c = 0; c < channels; c++) {
      double g[25], half[EDGE * 5], u[SPECTRUM];
      const int64_t block = (first + o) / LANES * (channels / LANES) + c / LANES;
      for (int64_t k = 0; k < size * size; k++) g[k] = w[((block * size * size + k) * LANES + c % LANES) * LANES + (first + o) % LANES];
      for (int64_t j = 0; j < size; j++) through_kernel(half + j, size, g + j, size, size);
      for (int i = 0; i < EDGE; i++) through_kernel(u + i * EDGE, 1, half + i * size, 1, size);
      for (int e = 0; e < SPECTRUM; e++) to[(e * channels + c) * width + o] = (float)u[e];
    }
}

// through_input is Bᵀ of six vectors.
INLINE void through_input(vec *to, int step, vec d0, vec d1, vec d2, vec d3, vec d4, vec d5) {
  const float a = POINT_A, b = POINT_B;
  vec even_a = d4 - (b * b) * d2, odd_a = a * d3 - (a * b * b) * d1;
  vec even_b = d4 - (a * a) * d2, odd_b = b * d3 - (a * a * b) * d1;
  to[0] = (a * a * b * b) * d0 - (a * a + b * b) * d2 + d4;
  to[step] = even_a + odd_a, to[2 * step] = even_a - odd_a;
  to[3 * step] = even_b + odd_b, to[4 * step] = even_b - odd_b;
  to[5 * step] = (a * a * b * b) * d1 - (a * a + b * b) * d3 + d5;
}

// A tile's place: its image, and where its results begin.
typedef struct {
  int64_t image, row, column;
} tile_place;

INLINE tile_place place_of(const fx_window *w, int64_t tile) {
  const int64_t edge = tile_results(w), down = (w->out_height + edge - 1) / edge, across = (w->out_width + edge - 1) / edge;
  return (tile_place){tile / (down * across), tile / across % down * edge, tile % across * edge};
}

// lay_tile writes Bᵀ d B of one tile's vectors of channels: element e to to[e·pitch].
static void lay_tile(float *to, int64_t pitch, const fx_window *w, const float *x, tile_place at) {
  static const float outside[EDGE * LANES]; // zeros
  float edge[EDGE * LANES];
  vec half[EDGE * EDGE], whole[EDGE];
  const int64_t top = at.row - w->top, left = at.column - w->left;
  const int inside = left >= 0 && left + EDGE <= w->width;
  const int64_t from = left < 0 ? -left : 0, end = left + EDGE > w->width ? w->width - left : EDGE;
  vec d[EDGE][EDGE];
  for (int i = 0; i < EDGE; i++) {
    const int64_t y = top + i;
    const float *line = outside;
    if (y >= 0 && y < w->height) {
      line = x + (y * w->width + left) * LANES;
      if (!inside) {
        memset(edge, 0, sizeof edge);
        for (int64_t j = from; j < end; j++) store(edge + j * LANES, load(line + j * LANES));
        line = edge;
      }
    }
    UNROLL for (int j = 0; j < EDGE; j++) d[i][j] = load(line + j * LANES);
  }
  UNROLL for (int j = 0; j < EDGE; j++) through_input(half + j, EDGE, d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j]);
  UNROLL for (int i = 0; i < EDGE; i++) {
    const vec *h = half + i * EDGE;
    through_input(whole, 1, h[0], h[1], h[2], h[3], h[4], h[5]);
    UNROLL for (int j = 0; j < EDGE; j++) store(to + (i * EDGE + j) * pitch, whole[j]);
  }
}

// through_results is Aᵀ of six vectors: results of them, 4 or 2.
INLINE void through_results(vec *to, int step, int results, vec m0, vec m1, vec m2, vec m3, vec m4, vec m5) {
  const float a = POINT_A, b = POINT_B;
  vec even_a = m1 + m2, odd_a = m1 - m2, even_b = m3 + m4, odd_b = m3 - m4;
  to[0] = m0 + even_a + even_b;
  if (results == 2) {
    to[step] = a * odd_a + b * odd_b + m5;
    return;
  }
  to[step] = a * odd_a + b * odd_b;
  to[2 * step] = (a * a) * even_a + (b * b) * even_b;
  to[3 * step] = (a * a * a) * odd_a + (b * b * b) * odd_b + m5;
}

// put_tile writes Aᵀ M A of one tile's vectors of outputs, with what is added; element e
// is m[e·pitch].
INLINE void put_tile(const float *m, int64_t pitch, const fx_tiles_part *part, vec bias, const float *sum, float *y, tile_place at, int results) {
  const fx_window *w = &part->window;
  vec half[4 * EDGE], line[4];
  UNROLL for (int j = 0; j < EDGE; j++)
    through_results(half + j, EDGE, results, load(m + j * pitch), load(m + (6 + j) * pitch), load(m + (12 + j) * pitch),
                    load(m + (18 + j) * pitch), load(m + (24 + j) * pitch), load(m + (30 + j) * pitch));
  const vec zero = {0};
  const int64_t rows = w->out_height - at.row < results ? w->out_height - at.row : results;
  const int64_t columns = w->out_width - at.column < results ? w->out_width - at.column : results;
  UNROLL for (int i = 0; i < results; i++) {
    if (i >= rows) return;
    const vec *h = half + i * EDGE;
    through_results(line, 1, results, h[0], h[1], h[2], h[3], h[4], h[5]);
    const int64_t place = ((at.row + i) * w->out_width + at.column) * LANES;
    UNROLL for (int j = 0; j < results; j++) {
      if (j >= columns) break;
      vec v = line[j] + bias;
      if (sum) v += load(sum + place + j * LANES);
      if (part->relu) v = choose((ivec)(v < zero), zero, v);
      store(y + place + j * LANES, v);
    }
  }
}

// convolve_tiles does the tiles [first, first + tiles), all outputs.
static void convolve_tiles(const fx_tiles_part *part) {
  const fx_window *w = &part->window;
  const int64_t pitch = tile_pitch(part->tiles, w->channels), panel_pitch = tile_pitch(part->tiles, PANEL);
  const int64_t results = tile_results(w), places = w->height * w->width * LANES, out_places = w->out_height * w->out_width * LANES;
  float *spectra = part->scratch, *panel = spectra + SPECTRUM * pitch;
  for (int64_t t = 0; t < part->tiles; t++) {
    const tile_place at = place_of(w, part->first + t);
    const float *x = part->x + at.image * w->channels / LANES * places;
    for (int64_t c = 0; c < w->channels / LANES; c++)
      lay_tile(spectra + t * w->channels + c * LANES, pitch, w, x + c * places, at);
  }
  for (int64_t o = 0; o < w->outputs; o += PANEL) {
    const int64_t width = panel_width(w->outputs, o);
    const float *weights = part->weights + o * SPECTRUM * w->channels;
    for (int e = 0; e < SPECTRUM; e++)
      for (int64_t t = 0; t < part->tiles; t += ROWS) {
        product p = {
            .rows = spectra + e * pitch + t * w->channels, .columns = weights + e * w->channels * width, .to = panel + e * panel_pitch + t * width,
            .count = w->channels, .row_pitch = w->channels, .column_pitch = width, .to_pitch = width,
        };
        multiply_matrices(&p, width);
      }
    for (int64_t t = 0; t < part->tiles; t++) {
      const tile_place at = place_of(w, part->first + t);
      for (int64_t l = 0; l < width; l += LANES) {
        const int64_t offset = (at.image * w->outputs + o + l) / LANES * out_places;
        const vec bias = part->bias ? load(part->bias + o + l) : (vec){0};
        const float *sum = part->sum ? part->sum + offset : NULL;
        const float *m = panel + t * width + l;
        if (results == 4)
          put_tile(m, panel_pitch, part, bias, sum, part->y + offset, at, 4);
        else
          put_tile(m, panel_pitch, part, bias, sum, part->y + offset, at, 2);
      }
    }
  }
}
