// Depthwise convolution: every channel has a kernel of its own. A plane is copied once, with its padding, such that
// each tap of the kernel reads it at a fixed distance: place i of the result is Σ weight[t]·plane[i + offset[t]]. So a
// vector runs on over the ends of rows, and what it computes between two rows is dropped. For a stride the copy has a
// plane for each of the stride's phases; the gradient of the input has phases of the result instead.

enum { TAPS = 9, RUN = 4 }; // taps of a weight's gradient, and vectors of a result, that are computed together

// A copy of planes: rows by pitch places for each phase, and zeros for vectors that begin at the last one.
typedef struct {
  int64_t rows, pitch, stride_h, stride_w;
  int64_t top, left; // padding; negative: places of the source to leave out
} layout;

INLINE int64_t phase_floats(const layout *l) { return l->rows * l->pitch + (l->left > 0 ? l->left : 0) + RUN * LANES; }
INLINE int64_t layout_floats(const layout *l) { return l->stride_h * l->stride_w * phase_floats(l); }

// The last places that the taps reach behind the first one's, in steps of the stride.
INLINE int64_t reach_h(const fx_window *w) { return (w->kernel_h - 1) * w->dilation_h / w->stride_h; }
INLINE int64_t reach_w(const fx_window *w) { return (w->kernel_w - 1) * w->dilation_w / w->stride_w; }

// The copy of X for the convolution and for the weight's gradient.
static layout input_layout(const fx_window *w) {
  return (layout){.rows = w->out_height + reach_h(w),
                  .pitch = w->out_width + reach_w(w),
                  .stride_h = w->stride_h,
                  .stride_w = w->stride_w,
                  .top = w->top,
                  .left = w->left};
}

// The copy of dY for the input's gradient. Place q of a phase of dX is place q·stride + phase of the padded input, from
// the first q that has a place inside.
static layout gradient_layout(const fx_window *w) {
  const int64_t first_h = w->top / w->stride_h, first_w = w->left / w->stride_w;
  return (layout){.rows = (w->height + w->top + w->stride_h - 1) / w->stride_h - first_h + reach_h(w),
                  .pitch = (w->width + w->left + w->stride_w - 1) / w->stride_w - first_w + reach_w(w),
                  .stride_h = 1,
                  .stride_w = 1,
                  .top = reach_h(w) - first_h,
                  .left = reach_w(w) - first_w};
}

// copy_padded copies count floats, and writes zeros up to length floats, rounded up to vectors.
INLINE void copy_padded(float *to, const float *from, int64_t count, int64_t length) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
  if (i < count) {
    store(to + i, load_part(from + i, count - i));
    i += LANES;
  }
  for (; i < length; i += LANES) store(to + i, (vec){0});
}

// copy_plane copies a plane of height by width places. padded has room for a row of all phases. Rows are written in
// order: each one's zeros reach to the next one's first place.
static void copy_plane(float *to, float *padded, const layout *l, const float *from, int64_t height, int64_t width) {
  const int64_t length = l->pitch * l->stride_w, size = phase_floats(l);
  const int64_t cut = l->left < 0 ? -l->left : 0, left = l->left < 0 ? 0 : l->left < length ? l->left : length;
  int64_t count = width - cut < length - left ? width - cut : length - left;
  if (count < 0) count = 0;
  for (int64_t row = 0; row < l->rows * l->stride_h; row++) {
    const int64_t at = row - l->top;
    const int inside = at >= 0 && at < height;
    float *phases = to + row % l->stride_h * l->stride_w * size + row / l->stride_h * l->pitch;
    float *whole = l->stride_w == 1 ? phases : padded;
    if (row < l->stride_h || l->stride_w > 1) copy_padded(whole, NULL, 0, left);
    copy_padded(whole + left, inside ? from + at * width + cut : NULL, inside ? count : 0,
                l->stride_w == 1 ? length : length - left);
    if (l->stride_w == 2) {
      for (int64_t i = 0; i < l->pitch; i += LANES) {
        vec a = load(padded + 2 * i), b = load(padded + 2 * i + LANES);
        store(phases + i, even_lanes(a, b));
        store(phases + size + i, odd_lanes(a, b));
      }
    } else if (l->stride_w > 2) {
      for (int64_t f = 0; f < l->stride_w; f++)
        for (int64_t i = 0; i < l->pitch; i++) phases[f * size + i] = padded[i * l->stride_w + f];
    }
  }
  for (int64_t f = 1; f <= l->stride_h * l->stride_w; f++) // 0 · NaN would be NaN
    memset(to + (f - 1) * size + l->rows * l->pitch, 0, (size_t)(size - l->rows * l->pitch) * 4);
}

// input_offsets are the distances at which the taps read X's copy.
static void input_offsets(const fx_window *w, const layout *l, int64_t *offsets) {
  for (int64_t kh = 0; kh < w->kernel_h; kh++)
    for (int64_t kw = 0; kw < w->kernel_w; kw++) {
      const int64_t h = kh * w->dilation_h, v = kw * w->dilation_w;
      *offsets++ = (h % l->stride_h * l->stride_w + v % l->stride_w) * phase_floats(l) + h / l->stride_h * l->pitch +
                   v / l->stride_w;
    }
}

// sum_taps writes to[i] = bias + Σ weights[t]·from[i + offsets[t]] for count places, rounded up to vectors.
static void sum_taps(float *to, const float *from, int64_t count, const float *weights, const int64_t *offsets,
                     int64_t taps, float bias) {
  int64_t i = 0;
  for (; i + (RUN - 1) * LANES < count; i += RUN * LANES) {
    vec sum[RUN];
    UNROLL
    for (int s = 0; s < RUN; s++) sum[s] = splat(bias);
    for (int64_t t = 0; t < taps; t++) {
      const vec weight = splat(weights[t]);
      const float *at = from + i + offsets[t];
      UNROLL
      for (int s = 0; s < RUN; s++) sum[s] += weight * load(at + s * LANES);
    }
    UNROLL
    for (int s = 0; s < RUN; s++) store(to + i + s * LANES, sum[s]);
  }
  for (; i < count; i += LANES) {
    vec sum = splat(bias), other = {0};
    int64_t t = 0;
    for (; t + 1 < taps; t += 2) {
      sum += splat(weights[t]) * load(from + i + offsets[t]);
      other += splat(weights[t + 1]) * load(from + i + offsets[t + 1]);
    }
    if (t < taps) sum += splat(weights[t]) * load(from + i + offsets[t]);
    store(to + i, sum + other);
  }
}

static int64_t depthwise_scratch(const fx_window *w, int transposed) {
  const layout l = transposed ? gradient_layout(w) : input_layout(w);
  const int64_t phases = transposed ? w->stride_h * w->stride_w : 1, wide = transposed ? w->stride_w : l.stride_w;
  return layout_floats(&l) + phases * phase_floats(&l) + wide * (l.pitch + 2 * LANES);
}

static void convolve_planes(const fx_depthwise_part *part) {
  const fx_window *w = &part->window;
  const layout l = input_layout(w);
  const int64_t taps = w->kernel_h * w->kernel_w, places = w->out_height * w->out_width;
  float *copy = part->scratch, *sums = copy + layout_floats(&l), *padded = sums + phase_floats(&l);
  int64_t offsets[taps];
  input_offsets(w, &l, offsets);
  for (int64_t plane = part->first; plane < part->first + part->planes; plane++) {
    const int64_t c = plane % w->channels;
    float *y = part->to + plane * places;
    copy_plane(copy, padded, &l, part->from + plane * w->height * w->width, w->height, w->width);
    sum_taps(sums, copy, (w->out_height - 1) * l.pitch + w->out_width, part->weight + c * taps, offsets, taps,
             part->bias ? part->bias[c] : 0);
    for (int64_t row = 0; row < w->out_height; row++)
      copy_run(y + row * w->out_width, sums + row * l.pitch, w->out_width);
  }
}

// gradient_taps lists the taps that each phase of dX gets a share from, and the distances at which they read dY's copy:
// those of phase f are first[f] … first[f + 1] - 1.
static void gradient_taps(const fx_window *w, const layout *l, int64_t *first, int64_t *taps, int64_t *offsets) {
  int64_t count = 0;
  for (int64_t phase = 0; phase < w->stride_h * w->stride_w; phase++) {
    first[phase] = count;
    for (int64_t t = 0; t < w->kernel_h * w->kernel_w; t++) {
      const int64_t h = t / w->kernel_w * w->dilation_h, v = t % w->kernel_w * w->dilation_w;
      if (h % w->stride_h * w->stride_w + v % w->stride_w != phase) continue;
      taps[count] = t;
      offsets[count++] = (reach_h(w) - h / w->stride_h) * l->pitch + reach_w(w) - v / w->stride_w;
    }
  }
  first[w->stride_h * w->stride_w] = count;
}

// merge_row interleaves the phases of a row, size floats apart.
static void merge_row(float *to, const float *phases, int64_t size, int64_t length, int64_t stride) {
  if (stride == 2)
    for (int64_t i = 0; i < length; i += LANES) store_pairs(to + 2 * i, load(phases + i), load(phases + size + i));
  else
    for (int64_t f = 0; f < stride; f++)
      for (int64_t i = 0; i < length; i++) to[i * stride + f] = phases[f * size + i];
}

static void convolve_planes_transposed(const fx_depthwise_part *part) {
  const fx_window *w = &part->window;
  const layout l = gradient_layout(w);
  const int64_t all = w->kernel_h * w->kernel_w, size = phase_floats(&l), places = w->height * w->width;
  const int64_t phases = w->stride_h * w->stride_w;
  const int64_t length = l.pitch - reach_w(w), left = w->left % w->stride_w, top = w->top % w->stride_h;
  float *copy = part->scratch, *sums = copy + size, *merged = sums + phases * size;
  int64_t first[phases + 1], taps[all], offsets[all];
  float weights[all];
  gradient_taps(w, &l, first, taps, offsets);
  for (int64_t plane = part->first; plane < part->first + part->planes; plane++) {
    copy_plane(copy, merged, &l, part->from + plane * w->out_height * w->out_width, w->out_height, w->out_width);
    for (int64_t t = 0; t < all; t++) weights[t] = part->weight[plane % w->channels * all + taps[t]];
    for (int64_t f = 0; f < phases; f++)
      sum_taps(sums + f * size, copy, (l.rows - reach_h(w) - 1) * l.pitch + length, weights + first[f],
               offsets + first[f], first[f + 1] - first[f], 0);
    for (int64_t h = 0; h < w->height; h++) {
      const int64_t at = h + top;
      const float *row = sums + at % w->stride_h * w->stride_w * size + at / w->stride_h * l.pitch;
      if (w->stride_w > 1) {
        merge_row(merged, row, size, length, w->stride_w);
        row = merged;
      }
      copy_run(part->to + plane * places + h * w->width, row + left, w->width);
    }
  }
}

static int64_t depthwise_weight_scratch(const fx_window *w) {
  const layout l = input_layout(w);
  return layout_floats(&l) + phase_floats(&l) + l.stride_w * (l.pitch + 2 * LANES) +
         (round_up(w->kernel_h * w->kernel_w, TAPS) + 1) * LANES;
}

// add_products adds dy[i]·x[i + offsets[t]] over count places to the vectors sums[t].
static void add_products(float *sums, const float *dy, const float *x, int64_t count, const int64_t *offsets) {
  vec sum[TAPS];
  UNROLL
  for (int t = 0; t < TAPS; t++) sum[t] = (vec){0};
  for (int64_t i = 0; i < count; i += LANES) {
    const vec gradient = load(dy + i);
    UNROLL
    for (int t = 0; t < TAPS; t++) sum[t] += gradient * load(x + i + offsets[t]);
  }
  UNROLL
  for (int t = 0; t < TAPS; t++) store(sums + t * LANES, load(sums + t * LANES) + sum[t]);
}

static void depthwise_weight(const fx_depthwise_weight_part *part) {
  const fx_window *w = &part->window;
  const layout l = input_layout(w), flat = {.rows = w->out_height, .pitch = l.pitch, .stride_h = 1, .stride_w = 1};
  const int64_t taps = w->kernel_h * w->kernel_w, rounded = round_up(taps, TAPS), c = part->channel;
  float *x = part->scratch, *dy = x + layout_floats(&l), *padded = dy + phase_floats(&l);
  float *sums = padded + l.stride_w * (l.pitch + 2 * LANES), *bias = sums + rounded * LANES;
  int64_t offsets[rounded];
  input_offsets(w, &l, offsets);
  for (int64_t t = taps; t < rounded; t++) offsets[t] = 0;
  memset(sums, 0, (size_t)((rounded + 1) * LANES) * 4);
  for (int64_t image = 0; image < w->batch; image++) {
    const int64_t plane = image * w->channels + c;
    copy_plane(x, padded, &l, part->x + plane * w->height * w->width, w->height, w->width);
    copy_plane(dy, padded, &flat, part->dy + plane * w->out_height * w->out_width, w->out_height, w->out_width);
    const int64_t count = w->out_height * l.pitch; // dY is 0 between rows
    for (int64_t t = 0; t < rounded; t += TAPS) add_products(sums + t * LANES, dy, x, count, offsets + t);
    if (part->db) {
      vec sum = {0};
      for (int64_t i = 0; i < count; i += LANES) sum += load(dy + i);
      store(bias, load(bias) + sum);
    }
  }
  for (int64_t t = 0; t < taps; t++) part->dw[c * taps + t] = (float)lanes_sum(load(sums + t * LANES));
  if (part->db) part->db[c] = (float)lanes_sum(load(bias));
}
