// Batch normalization of one channel at a time: its places of all images fit a core's cache, so that only the first
// pass reads memory. Sums are floats within an image and doubles over images.

enum { ACCUMULATORS = 4 }; // independent sums, which hide the latency of an addition

#define FOR_IMAGES(n, c, at)                                                                                           \
  for (int64_t image = 0, at = c * n->places; image < n->batch; image++, at += n->channels * n->places)

// FOLD adds TERM(i), a vec, over a plane into the double total.
#define FOLD(total, places, TERM, TERM_PART)                                                                           \
  do {                                                                                                                 \
    vec accumulator[ACCUMULATORS] = {{0}};                                                                             \
    int64_t i = 0;                                                                                                     \
    for (; i + ACCUMULATORS * LANES <= places; i += ACCUMULATORS * LANES)                                              \
      for (int s = 0; s < ACCUMULATORS; s++) accumulator[s] += TERM(i + s * LANES);                                    \
    for (; i + LANES <= places; i += LANES) accumulator[0] += TERM(i);                                                 \
    if (i < places) accumulator[1] += TERM_PART(i, places - i);                                                        \
    total += lanes_sum((accumulator[0] + accumulator[1]) + (accumulator[2] + accumulator[3]));                         \
  } while (0)

INLINE vec first_lanes(vec v, int64_t count) {
  float lanes[LANES];
  store(lanes, v);
  return load_part(lanes, count);
}

static void norm_moments(const fx_norm_channel *n, int64_t c, double *mean, double *variance) {
  const double count = (double)n->batch * (double)n->places;
  double sum = 0, squares = 0;
#define TERM(i) load(x + (i))
#define TERM_PART(i, count) load_part(x + (i), count)
  FOR_IMAGES(n, c, at) {
    const float *x = n->x + at;
    FOLD(sum, n->places, TERM, TERM_PART);
  }
#undef TERM
#undef TERM_PART
  *mean = sum / count;
  const vec centre = splat((float)*mean);
  double rest = 0; // part of the mean that rounding to a float loses
#define TERM(i) ((load(x + (i)) - centre) * (load(x + (i)) - centre))
#define TERM_PART(i, count)                                                                                            \
  first_lanes((load_part(x + (i), count) - centre) * (load_part(x + (i), count) - centre), count)
  FOR_IMAGES(n, c, at) {
    const float *x = n->x + at;
    FOLD(squares, n->places, TERM, TERM_PART);
  }
#undef TERM
#undef TERM_PART
  rest = *mean - (double)(float)*mean;
  *variance = squares / count - rest * rest;
  if (*variance < 0) *variance = 0;
}

static void norm_apply(const fx_norm_channel *n, int64_t c) {
  FOR_IMAGES(n, c, at) activate(&n->activation, n->x + at, n->out + at, n->places);
}

enum { NORM_TILE = 1024 }; // places whose activation's gradient is computed together, a multiple of the accumulators'

static void norm_sums(const fx_norm_channel *n, int64_t c, double *dy_sum, double *along_sum) {
  const vec mean = splat(n->activation.mean);
  double total = 0, along = 0;
  float tile[NORM_TILE];
  FOR_IMAGES(n, c, at) {
    vec s[ACCUMULATORS] = {{0}}, a[ACCUMULATORS] = {{0}};
    for (int64_t begin = 0; begin < n->places; begin += NORM_TILE) {
      const int64_t count = n->places - begin < NORM_TILE ? n->places - begin : NORM_TILE;
      const float *x = n->x + at + begin, *g = n->dy + at + begin;
      if (n->activation.kind != FX_IDENTITY) {
        float *to = n->out ? n->out + at + begin : tile;
        activate_gradient(&n->activation, g, x, to, count);
        g = to;
      }
      int64_t i = 0;
      for (; i + ACCUMULATORS * LANES <= count; i += ACCUMULATORS * LANES)
        for (int k = 0; k < ACCUMULATORS; k++) {
          s[k] += load(g + i + k * LANES);
          a[k] += load(g + i + k * LANES) * (load(x + i + k * LANES) - mean);
        }
      for (; i + LANES <= count; i += LANES) {
        s[0] += load(g + i);
        a[0] += load(g + i) * (load(x + i) - mean);
      }
      if (i < count) {
        s[0] += load_part(g + i, count - i); // zeros past the end
        a[0] += load_part(g + i, count - i) * first_lanes(load_part(x + i, count - i) - mean, count - i);
      }
    }
    total += lanes_sum((s[0] + s[1]) + (s[2] + s[3]));
    along += lanes_sum((a[0] + a[1]) + (a[2] + a[3]));
  }
  *dy_sum = total, *along_sum = along;
}

static void norm_gradient(const fx_norm_channel *n, int64_t c, float a, float k1, float k0) {
  const vec mean = splat(n->activation.mean), va = splat(a), v1 = splat(k1), v0 = splat(k0);
  const float *gradients = n->activation.kind == FX_IDENTITY ? n->dy : n->out;
  FOR_IMAGES(n, c, at) {
    const float *x = n->x + at, *g = gradients + at;
    float *dx = n->out + at;
    int64_t i = 0;
    for (; i + LANES <= n->places; i += LANES) store(dx + i, load(g + i) * va + ((load(x + i) - mean) * v1 + v0));
    if (i < n->places) {
      const int64_t left = n->places - i;
      store_part(dx + i, load_part(g + i, left) * va + ((load_part(x + i, left) - mean) * v1 + v0), left);
    }
  }
}
