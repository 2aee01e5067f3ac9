// Convolution by a 3×3 kernel with stride 1, after Winograd: F(2×2, 3×3) of Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2015. A tile of 2×2 results needs 16 products, the plain sum 36:
//
//   Y = Aᵀ [ Σ over channels (G g Gᵀ) ⊙ (Bᵀ d B) ] A,  d: 4×4 places of the input
//
// The sum over channels is, for each of the 16 elements, a matrix product. The Bᵀ d B
// of some rows of tiles are computed once and multiplied by all
// kernels, ROWS of a group at a time.

enum { ELEMENTS = 16, TRANSFORMED = 1 << 18 }; // floats of a part's transformed input, about

typedef struct {
  int64_t down, across; // tiles of an image
  int64_t rows, tiles;  // rows of tiles in a part, and its tiles with padding
  int64_t line;         // floats of a row split by phases
} tiling;

INLINE tiling winograd_tiling(const fx_window *w, int64_t rows) {
  tiling t = {.down = (w->out_height + 1) / 2, .across = (w->out_width + 1) / 2, .rows = rows};
  t.tiles = round_up(rows * t.across, LANES);
  t.line = round_up(t.across + 1, LANES) + LANES;
  return t;
}

// The scratch of transform_input: eight lines split into even and odd places, and one with its padding.
INLINE int64_t line_floats(const fx_window *w, const tiling *t) { return 10 * t->line + w->width + LANES; }

// The floats from one element of the transformed input to the next: chosen so that the 16 do not compete for one set
// of the cache, as they would near a multiple of 4 KB.
INLINE int64_t element_pitch(const fx_window *w, const tiling *t) {
  return round_up(w->channels / w->groups * (t->tiles + LANES), 1024) + 80;
}

static int64_t winograd_rows(const fx_window *w) {
  tiling t = winograd_tiling(w, 1);
  int64_t rows = TRANSFORMED / (ELEMENTS * (w->channels / w->groups) * t.across);
  const int64_t most = (128 + t.across - 1) / t.across;
  if (rows > most) rows = most;
  return rows < 1 ? 1 : rows;
}

static int64_t winograd_transformed_floats(const fx_window *w, int64_t rows) {
  tiling t = winograd_tiling(w, rows);
  return ELEMENTS * element_pitch(w, &t);
}

static int64_t winograd_scratch(const fx_window *w, int64_t rows) {
  tiling t = winograd_tiling(w, rows);
  return ELEMENTS * ROWS * (t.tiles + LANES) + line_floats(w, &t) + 4 * (t.across + LANES);
}

// winograd_transform_weights writes G g Gᵀ of ROWS filters of a group from first on, as
// [element][filter][channel of the group]. For transposed weights, [channel][filter of its group] in weights, each
// kernel is reversed.
static void winograd_transform_weights(const fx_window *w, const float *weights, float *to, int64_t first,
                                       int transposed) {
  const int64_t channels = w->channels / w->groups, filters = w->outputs / w->groups, group = first / filters;
  weights += group * channels * filters * 9, first -= group * filters;
  for (int64_t f = 0; f < ROWS; f++) {
    for (int64_t c = 0; c < channels; c += LANES) {
      float kernels[9][LANES] = {{0}};
      for (int l = 0; l < LANES && c + l < channels && first + f < filters; l++) {
        const float *from = weights + (transposed ? (c + l) * filters + first + f : (first + f) * channels + c + l) * 9;
        if (transposed) UNROLL
        for (int k = 0; k < 9; k++) kernels[k][l] = from[8 - k];
        else UNROLL for (int k = 0; k < 9; k++) kernels[k][l] = from[k];
      }
      vec g[9];
      UNROLL
      for (int k = 0; k < 9; k++) g[k] = load(kernels[k]);
      vec h[4][3];
      for (int j = 0; j < 3; j++) {
        vec sum = (g[j] + g[6 + j]) * 0.5f, middle = g[3 + j] * 0.5f;
        h[0][j] = g[j], h[1][j] = sum + middle, h[2][j] = sum - middle, h[3][j] = g[6 + j];
      }
      for (int i = 0; i < 4; i++) {
        vec sum = (h[i][0] + h[i][2]) * 0.5f, middle = h[i][1] * 0.5f;
        vec u[4] = {h[i][0], sum + middle, sum - middle, h[i][2]};
        for (int j = 0; j < 4; j++) {
          float *at = to + ((4 * i + j) * ROWS + f) * channels + c;
          if (c + LANES <= channels)
            store(at, u[j]);
          else
            store_part(at, u[j], channels - c);
        }
      }
    }
  }
}

// split_even_odd splits a row of the input for tiles: even[j] is place 2j of the
// padded row, odd[j] place 2j + 1; zeros outside. padded has room for 2·line floats.
static void split_even_odd(float *even, float *odd, const fx_window *w, const tiling *t, const float *row,
                           float *padded) {
  const int64_t end = w->left + w->width;
  for (int64_t i = 0; i < w->left; i++) padded[i] = 0;
  copy_run(padded + w->left, row, w->width);
  for (int64_t i = end; i < 2 * t->across + 2; i++) padded[i] = 0;
  for (int64_t j = 0; j <= t->across; j += LANES) {
    vec a = load(padded + 2 * j), b = load(padded + 2 * j + LANES);
    store(even + j, even_lanes(a, b));
    store(odd + j, odd_lanes(a, b));
  }
}

// transform_input writes Bᵀ d B of one channel: element e of tile t to transformed[e·pitch + t].
static void transform_input(float *transformed, int64_t pitch, const fx_window *w, const float *x, int64_t row,
                            const tiling *t, int64_t channel, float *lines) {
  float *even[4], *odd[4];
  for (int i = 0; i < 4; i++) even[i] = lines + 2 * i * t->line, odd[i] = even[i] + t->line;
  int64_t image = row / t->down, down = row % t->down;
  int kept = 0; // lines that the tiles above have already split
  for (int64_t r = 0; r < t->rows; r++) {
    for (int i = 0; i < 2 && kept; i++) {
      float *e = even[i], *o = odd[i];
      even[i] = even[i + 2], odd[i] = odd[i + 2], even[i + 2] = e, odd[i + 2] = o;
    }
    for (int i = kept ? 2 : 0; i < 4; i++) {
      int64_t at = 2 * down + i - w->top;
      if (at < 0 || at >= w->height) {
        memset(even[i], 0, (size_t)(t->across + 1) * 4);
        memset(odd[i], 0, (size_t)(t->across + 1) * 4);
      } else {
        split_even_odd(even[i], odd[i], w, t, x + ((image * w->channels + channel) * w->height + at) * w->width,
                       lines + 8 * t->line);
      }
    }
    float *to = transformed + r * t->across;
    for (int64_t j = 0; j < t->across; j += LANES) { // the excess is overwritten by the next row
      vec h[4][4];
      UNROLL
      for (int i = 0; i < 4; i++) {
        vec a = load(even[i] + j), b = load(odd[i] + j), c = load(even[i] + j + 1), d = load(odd[i] + j + 1);
        h[i][0] = a - c, h[i][1] = b + c, h[i][2] = c - b, h[i][3] = b - d;
      }
      UNROLL
      for (int k = 0; k < 4; k++) {
        store(to + (0 + k) * pitch + j, h[0][k] - h[2][k]);
        store(to + (4 + k) * pitch + j, h[1][k] + h[2][k]);
        store(to + (8 + k) * pitch + j, h[2][k] - h[1][k]);
        store(to + (12 + k) * pitch + j, h[1][k] - h[3][k]);
      }
    }
    kept = ++down < t->down;
    if (!kept) down = 0, image++;
  }
}

// transform_output writes Aᵀ M A of one filter; element e of tile t is m[e·pitch + t].
static void transform_output(const float *m, int64_t pitch, const fx_winograd_part *part, const tiling *t,
                             int64_t filter, float *line) {
  const fx_window *w = &part->window;
  const vec bias = splat(part->bias ? part->bias[filter] : 0), zero = {0};
  float *lines[2] = {line, line + 2 * (t->across + LANES)};
  int64_t image = part->row / t->down, down = part->row % t->down;
  for (int64_t r = 0; r < part->rows; r++) {
    const float *from = m + r * t->across;
    for (int64_t j = 0; j < t->across; j += LANES) {
      vec s[2][4];
      UNROLL
      for (int k = 0; k < 4; k++) {
        vec a = load(from + k * pitch + j), b = load(from + (4 + k) * pitch + j), c = load(from + (8 + k) * pitch + j),
            d = load(from + (12 + k) * pitch + j);
        s[0][k] = a + b + c, s[1][k] = b - c - d;
      }
      UNROLL
      for (int i = 0; i < 2; i++) {
        vec left = s[i][0] + s[i][1] + s[i][2] + bias, right = s[i][1] - s[i][2] - s[i][3] + bias;
        if (part->relu)
          left = choose((ivec)(left < zero), zero, left), right = choose((ivec)(right < zero), zero, right);
        store_pairs(lines[i] + 2 * j, left, right);
      }
    }
    for (int64_t i = 0; i < 2 && 2 * down + i < w->out_height; i++)
      copy_run(part->y + ((image * w->outputs + filter) * w->out_height + 2 * down + i) * w->out_width, lines[i],
               w->out_width);
    if (++down == t->down) down = 0, image++;
  }
}

// winograd_transform_input transforms the input of some channels of a group.
static void winograd_transform_input(const fx_winograd_part *part, int64_t first, int64_t count) {
  const fx_window *w = &part->window;
  const tiling t = winograd_tiling(w, part->rows);
  float *lines = part->scratch;
  memset(lines, 0, (size_t)line_floats(w, &t) * 4);
  for (int64_t c = first; c < first + count; c++)
    transform_input(part->transformed + c % (w->channels / w->groups) * (t.tiles + LANES), element_pitch(w, &t), w,
                    part->x, part->row, &t, c, lines);
}

// winograd_multiply computes the results of ROWS filters of a group from first on, with the weights
// that winograd_transform_weights wrote.
static void winograd_multiply(const fx_winograd_part *part, const float *weights, int64_t first) {
  const fx_window *w = &part->window;
  const tiling t = winograd_tiling(w, part->rows);
  const int64_t pitch = t.tiles + LANES, element = element_pitch(w, &t);
  const int64_t channels = w->channels / w->groups, filters = w->outputs / w->groups, group = first / filters;
  float *m = part->scratch, *line = m + ELEMENTS * ROWS * pitch;
  for (int e = 0; e < ELEMENTS; e++) {
    product p = {
        .rows = weights + e * ROWS * channels,
        .columns = part->transformed + e * element,
        .to = m + e * ROWS * pitch,
        .count = channels,
        .row_pitch = channels,
        .column_pitch = pitch,
        .to_pitch = pitch,
    };
    multiply_matrices(&p, t.tiles);
  }
  for (int64_t i = 0; i < ROWS && first + i < (group + 1) * filters; i++)
    transform_output(m + i * pitch, ROWS * pitch, part, &t, first + i, line);
}
