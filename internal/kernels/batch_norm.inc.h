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
  vec kept = {0};
  memcpy(&kept, &v, (size_t)count * 4);
  return kept;
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

static void norm_apply(const fx_norm_channel *n, int64_t c, int relu) {
  const vec mean = splat(n->mean), scale = splat(n->scale * n->inverse), bias = splat(n->bias), zero = {0};
  FOR_IMAGES(n, c, at) {
    const float *x = n->x + at;
    float *y = n->out + at;
    int64_t i = 0;
    if (relu) {
      for (; i + LANES <= n->places; i += LANES) {
        vec v = (load(x + i) - mean) * scale + bias;
        store(y + i, choose((ivec)(v < zero), zero, v)); // NaN stays NaN
      }
    } else {
      for (; i + LANES <= n->places; i += LANES) store(y + i, (load(x + i) - mean) * scale + bias);
    }
    if (i < n->places) {
      vec v = (load_part(x + i, n->places - i) - mean) * scale + bias;
      if (relu) v = choose((ivec)(v < zero), zero, v);
      store_part(y + i, v, n->places - i);
    }
  }
}

// passed is dy if the Relu passed y, else 0.
INLINE vec passed(vec dy, vec y) { return choose((ivec)(y > (vec){0}), dy, (vec){0}); }

static void norm_sums(const fx_norm_channel *n, int64_t c, double *dy_sum, double *along_sum) {
  const vec mean = splat(n->mean);
  double total = 0, along = 0;
  FOR_IMAGES(n, c, at) {
    const float *x = n->x + at, *dy = n->dy + at, *y = n->y ? n->y + at : NULL;
    vec s[ACCUMULATORS] = {{0}}, a[ACCUMULATORS] = {{0}};
    int64_t i = 0;
    for (; i + ACCUMULATORS * LANES <= n->places; i += ACCUMULATORS * LANES)
      for (int k = 0; k < ACCUMULATORS; k++) {
        vec g = load(dy + i + k * LANES);
        if (y) g = passed(g, load(y + i + k * LANES));
        s[k] += g;
        a[k] += g * (load(x + i + k * LANES) - mean);
      }
    for (; i < n->places; i += LANES) {
      int64_t left = n->places - i < LANES ? n->places - i : LANES;
      vec g = load_part(dy + i, left);
      if (y) g = passed(g, load_part(y + i, left));
      s[0] += g; // zeros past the end
      a[0] += g * first_lanes(load_part(x + i, left) - mean, left);
    }
    total += lanes_sum((s[0] + s[1]) + (s[2] + s[3]));
    along += lanes_sum((a[0] + a[1]) + (a[2] + a[3]));
  }
  *dy_sum = total, *along_sum = along;
}

static void norm_gradient(const fx_norm_channel *n, int64_t c, float a, float k1, float k0) {
  const vec mean = splat(n->mean), va = splat(a), v1 = splat(k1), v0 = splat(k0);
  FOR_IMAGES(n, c, at) {
    const float *x = n->x + at, *dy = n->dy + at, *y = n->y ? n->y + at : NULL;
    float *dx = n->out + at;
    for (int64_t i = 0; i < n->places; i += LANES) {
      int64_t left = n->places - i;
      if (left >= LANES) {
        vec g = load(dy + i);
        if (y) g = passed(g, load(y + i));
        store(dx + i, g * va + ((load(x + i) - mean) * v1 + v0));
      } else {
        vec g = load_part(dy + i, left);
        if (y) g = passed(g, load_part(y + i, left));
        store_part(dx + i, g * va + ((load_part(x + i, left) - mean) * v1 + v0), left);
      }
    }
  }
}
