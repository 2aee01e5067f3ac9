// Training a classifier's head, besides products: softmax with its loss and gradient, and SGD's step, which never
// stores the gradient.

// softmax turns a row of logits, z[0 … classes) padded to whole vectors, into weight · (probabilities - 1 at the
// label), and returns the cross entropy; hit is whether the label has the largest logit, at ties the first.
INLINE double softmax_row(float *z, int64_t classes, int64_t label, float weight, int *hit) {
  const int64_t whole = round_up(classes, LANES), last = whole - LANES, lanes = classes < LANES ? classes : LANES;
  const float of_label = z[label];
  ivec places;
  UNROLL
  for (int i = 0; i < LANES; i++) places[i] = i;
  // The padding has the exponential of the smallest argument, which is practically 0.
  const vec tail = choose(places < (int32_t)(classes - last), load(z + last), splat(-INFINITY));
  vec most = tail;
  for (int64_t c = 0; c < last; c += LANES) most = choose((ivec)(load(z + c) > most), load(z + c), most);
  float largest = most[0];
  for (int64_t i = 1; i < lanes; i++) largest = most[i] > largest ? most[i] : largest;
  *hit = of_label == largest;
  for (int64_t c = 0; *hit && c < label; c++) *hit = z[c] < largest;

  vec sum = exponential(tail - largest);
  store(z + last, sum);
  for (int64_t c = 0; c < last; c += LANES) {
    vec e = exponential(load(z + c) - largest);
    sum += e;
    store(z + c, e);
  }
  double total = 0;
  for (int64_t i = 0; i < lanes; i++) total += sum[i];
  const float scale = weight / (float)total;
  for (int64_t c = 0; c < whole; c += LANES) store(z + c, load(z + c) * scale);
  z[label] -= weight;
  return log(total) + (double)largest - of_label;
}

static int64_t softmax(float *z, int64_t pitch, int64_t rows, int64_t classes, const int32_t *labels,
                       const float *weights, double *losses) {
  int64_t hits = 0;
  for (int64_t i = 0; i < rows; i++) {
    int hit;
    losses[i] = softmax_row(z + i * pitch, classes, labels[i], weights[i], &hit);
    hits += hit;
  }
  return hits;
}

// softmax_lanes is softmax_row of count samples, one per lane: z has a row for each class.
INLINE int64_t softmax_lanes(float *z, int64_t pitch, int64_t count, int64_t classes, const int32_t *labels,
                             const float *weights, double *losses) {
  ivec label = {0};
  memcpy(&label, labels, (size_t)count * 4);
  vec most = load_part(z, count), of_label = most;
  ivec best = {0};
  for (int32_t c = 1; c < classes; c++) {
    const vec logit = load_part(z + c * pitch, count);
    const ivec more = (ivec)(logit > most);
    best = (more & c) | (~more & best);
    most = choose(more, logit, most);
    of_label = choose(label == c, logit, of_label);
  }
  vec sum = {0};
  for (int64_t c = 0; c < classes; c++) {
    const vec e = exponential(load_part(z + c * pitch, count) - most);
    sum += e;
    store_part(z + c * pitch, e, count);
  }
  const vec weight = load_part(weights, count), scale = weight / sum;
  for (int32_t c = 0; c < classes; c++)
    store_part(z + c * pitch, load_part(z + c * pitch, count) * scale - choose(label == c, weight, splat(0)), count);
  int64_t hits = 0;
  for (int64_t i = 0; i < count; i++) {
    losses[i] = log((double)sum[i]) + (double)most[i] - of_label[i];
    hits += best[i] == label[i];
  }
  return hits;
}

// softmax_columns is softmax of the transpose, z [classes][rows]: faster if there are few classes.
static int64_t softmax_columns(float *z, int64_t pitch, int64_t rows, int64_t classes, const int32_t *labels,
                               const float *weights, double *losses) {
  int64_t hits = 0, i = 0;
  for (; i + LANES <= rows; i += LANES)
    hits += softmax_lanes(z + i, pitch, LANES, classes, labels + i, weights + i, losses + i);
  if (i < rows) hits += softmax_lanes(z + i, pitch, rows - i, classes, labels + i, weights + i, losses + i);
  return hits;
}

// head_step is torch.optim.SGD's step on rows of weights w and momenta v [rows][columns],
// whose gradient is a·b, a [rows][k], b packed [k][columns]: one pass over memory.
static void head_step(float *w, float *v, int64_t rows, const float *a, int64_t a_pitch, int64_t k, const float *b,
                      int64_t columns, float rate, float momentum, float decay) {
  for (int64_t row = 0; row < rows; row += ROWS) {
    const int64_t high = rows - row < ROWS ? rows - row : ROWS;
    for (int64_t at = 0; at < columns; at += panel_f32) {
      const int64_t width = columns - at < panel_f32 ? columns - at : panel_f32, strips = (width + LANES - 1) / LANES;
      float gradient[ROWS * panel_f32];
      tiles_f32[high - 1][strips - 1](gradient, panel_f32, a + row * a_pitch, a_pitch, k, b + at * k, panel_f32, 0);
      for (int64_t i = 0; i < high; i++) {
        float *weight = w + (row + i) * columns + at, *moved = v + (row + i) * columns + at;
        const float *g = gradient + i * panel_f32;
        for (int64_t j = 0; j < width; j++) {
          const float m = momentum * moved[j] + (g[j] + decay * weight[j]);
          moved[j] = m;
          weight[j] -= rate * m;
        }
      }
    }
  }
}
