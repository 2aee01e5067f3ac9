// Activations, one pass over memory each, and their gradients. z is (x - mean)·scale + shift, so that batch
// normalization can compute the activation after it without storing what lies between.

// sigmoid is 1/(1 + e^-z), from the exponential that can not overflow.
INLINE vec sigmoid(vec z) {
  const ivec negative = (ivec)(z < (vec){0});
  const vec e = exponential(choose(negative, z, -z)), whole = splat(1) + e;
  return choose(negative, e, splat(1)) / whole;
}

// normal is the normal distribution Φ, and density its derivative. Source: Abramowitz and Stegun, "Handbook of
// Mathematical Functions", 1964, formula 7.1.26, with an error of 7.5e-8.
INLINE vec normal(vec z, vec *density) {
  const ivec negative = (ivec)(z < (vec){0});
  const vec e = exponential(z * z * -0.5f), t = splat(1) / (splat(1) + choose(negative, -z, z) * 0.23164190f);
  vec tail = t * 1.061405429f - 1.453152027f;
  tail = tail * t + 1.421413741f;
  tail = tail * t - 0.284496736f;
  tail = tail * t + 0.254829592f;
  tail = tail * t * e * 0.5f;
  *density = e * 0.39894228f;
  return choose(negative, tail, splat(1) - tail);
}

// tanh_argument is 2u of GELU's approximation x/2·(1 + tanh u) = x·sigmoid(2u), u = √(2/π)·(x + 0.044715·x³), and
// along its derivative.
INLINE vec tanh_argument(vec z, vec *along) {
  const vec square = z * z;
  *along = square * (3 * 0.071354816f) + 1.5957691f;
  return z * (square * 0.071354816f + 1.5957691f);
}

// between limits z, and NaN stays NaN.
INLINE vec between(vec z, vec low, vec high) {
  z = choose((ivec)(z < low), low, z);
  return choose((ivec)(z > high), high, z);
}

// activated and activation_gradient are inlined for a constant kind.
INLINE vec activated(int kind, vec z, vec a, vec b) {
  const vec zero = {0}, one = splat(1);
  vec unused;
  switch (kind) {
  case FX_RELU:
    return choose((ivec)(z < zero), zero, z);
  case FX_CLIP:
    return between(z, a, b);
  case FX_HARD_SIGMOID:
    return between(z * a + b, zero, one);
  case FX_HARD_SWISH:
    return z * between(z * (1.0f / 6) + 0.5f, zero, one);
  case FX_SWISH:
    return z * sigmoid(z);
  case FX_GELU:
    return z * normal(z, &unused);
  case FX_GELU_TANH:
    return z * sigmoid(tanh_argument(z, &unused));
  }
  return z;
}

INLINE vec activation_gradient(int kind, vec dy, vec z, vec a, vec b) {
  const vec zero = {0}, one = splat(1);
  vec s, along;
  switch (kind) {
  case FX_RELU:
    return choose((ivec)(z > zero), dy, zero);
  case FX_CLIP:
    return choose((ivec)(z > a) & (ivec)(z < b), dy, zero);
  case FX_HARD_SIGMOID:
    s = z * a + b;
    return choose((ivec)(s > zero) & (ivec)(s < one), dy * a, zero);
  case FX_HARD_SWISH:
    s = choose((ivec)(z > 3.0f), one, z * (1.0f / 3) + 0.5f);
    return dy * choose((ivec)(z < -3.0f), zero, s);
  case FX_SWISH:
    s = sigmoid(z);
    return dy * (s + z * s * (one - s));
  case FX_GELU:
    s = normal(z, &along);
    return dy * (s + z * along);
  case FX_GELU_TANH:
    s = sigmoid(tanh_argument(z, &along));
    return dy * (s + z * s * (one - s) * along);
  }
  return dy;
}

// FOR_KINDS repeats a statement for the kind of the activation, as a constant.
#define FOR_KINDS(wanted, DO)                                                                                          \
  switch (wanted) {                                                                                                    \
  case FX_RELU:                                                                                                        \
    DO(FX_RELU);                                                                                                       \
    break;                                                                                                             \
  case FX_CLIP:                                                                                                        \
    DO(FX_CLIP);                                                                                                       \
    break;                                                                                                             \
  case FX_HARD_SIGMOID:                                                                                                \
    DO(FX_HARD_SIGMOID);                                                                                               \
    break;                                                                                                             \
  case FX_HARD_SWISH:                                                                                                  \
    DO(FX_HARD_SWISH);                                                                                                 \
    break;                                                                                                             \
  case FX_SWISH:                                                                                                       \
    DO(FX_SWISH);                                                                                                      \
    break;                                                                                                             \
  case FX_GELU:                                                                                                        \
    DO(FX_GELU);                                                                                                       \
    break;                                                                                                             \
  case FX_GELU_TANH:                                                                                                   \
    DO(FX_GELU_TANH);                                                                                                  \
    break;                                                                                                             \
  default:                                                                                                             \
    DO(FX_IDENTITY);                                                                                                   \
  }

static void activate(const fx_activation *f, const float *x, float *y, int64_t count) {
  const vec mean = splat(f->mean), scale = splat(f->scale), shift = splat(f->shift), a = splat(f->a), b = splat(f->b);
#define DO(kind)                                                                                                       \
  {                                                                                                                    \
    int64_t i = 0;                                                                                                     \
    for (; i + LANES <= count; i += LANES) store(y + i, activated(kind, (load(x + i) - mean) * scale + shift, a, b));  \
    if (i < count)                                                                                                     \
      store_part(y + i, activated(kind, (load_part(x + i, count - i) - mean) * scale + shift, a, b), count - i);       \
  }
  FOR_KINDS(f->kind, DO)
#undef DO
}

static void activate_gradient(const fx_activation *f, const float *dy, const float *x, float *dx, int64_t count) {
  const vec mean = splat(f->mean), scale = splat(f->scale), shift = splat(f->shift), a = splat(f->a), b = splat(f->b);
#define DO(kind)                                                                                                       \
  {                                                                                                                    \
    int64_t i = 0;                                                                                                     \
    for (; i + LANES <= count; i += LANES)                                                                             \
      store(dx + i, activation_gradient(kind, load(dy + i), (load(x + i) - mean) * scale + shift, a, b));              \
    if (i < count) {                                                                                                   \
      const vec z = (load_part(x + i, count - i) - mean) * scale + shift;                                              \
      store_part(dx + i, activation_gradient(kind, load_part(dy + i, count - i), z, a, b), count - i);                 \
    }                                                                                                                  \
  }
  FOR_KINDS(f->kind, DO)
#undef DO
}
