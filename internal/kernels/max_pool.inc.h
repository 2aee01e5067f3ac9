// Max pooling that stores which element of its window was the largest, the first of equal ones, as PyTorch does. NaN
// is the largest.

// split_phases splits a row of the input by phases: place i of phase f is place
// i·stride + f of the padded row, -∞ in the padding. padded has room for
// length·stride floats.
static void split_phases(float *phases, float *padded, int64_t length, const fx_window *w, const float *row) {
  const int64_t stride = w->stride_w;
  float *to = stride == 1 ? phases : padded;
  for (int64_t i = 0; i < w->left; i++) to[i] = -INFINITY;
  copy_run(to + w->left, row, w->width);
  for (int64_t i = w->left + w->width; i < length * stride; i++) to[i] = -INFINITY;
  if (stride == 2) {
    for (int64_t i = 0; i < length; i += LANES) {
      vec a = load(padded + 2 * i), b = load(padded + 2 * i + LANES);
      store(phases + i, even_lanes(a, b));
      store(phases + length + i, odd_lanes(a, b));
    }
  } else if (stride > 2) {
    for (int64_t f = 0; f < stride; f++)
      for (int64_t i = 0; i < length; i++) phases[f * length + i] = padded[i * stride + f];
  }
}

static void max_pool(const fx_window *w, const float *x, float *y, uint8_t *taps, int64_t first, int64_t count) {
  const int64_t width = w->out_width;
  int64_t reach = (width - 1) * w->stride_w + (w->kernel_w - 1) * w->dilation_w + 1;
  if (reach < w->width + w->left) reach = w->width + w->left;
  const int64_t wide = round_up(width, LANES),
                length = round_up((reach + w->stride_w - 1) / w->stride_w, LANES) + LANES;
  float phases[length * w->stride_w], padded[length * w->stride_w], best[wide];
  int32_t tap[wide], start[wide];
  for (int64_t j = 0; j < wide; j++) { // the first element of the window that is inside
    int64_t kw = 0;
    while (kw < w->kernel_w - 1 && j * w->stride_w + kw * w->dilation_w < w->left) kw++;
    start[j] = (int32_t)kw;
  }
  for (int64_t plane = first; plane < first + count; plane++) {
    const float *in = x + plane * w->height * w->width;
    for (int64_t oh = 0; oh < w->out_height; oh++) {
      int begun = 0;
      for (int64_t kh = 0; kh < w->kernel_h; kh++) {
        int64_t at = oh * w->stride_h + kh * w->dilation_h - w->top;
        if (at < 0 || at >= w->height) continue;
        if (!begun) {
          for (int64_t j = 0; j < wide; j++) {
            best[j] = -INFINITY;
            tap[j] = start[j] + (int32_t)(kh * w->kernel_w);
          }
          begun = 1;
        }
        split_phases(phases, padded, length, w, in + at * w->width);
        for (int64_t kw = 0; kw < w->kernel_w; kw++) {
          int64_t place = kw * w->dilation_w;
          const float *from = phases + place % w->stride_w * length + place / w->stride_w;
          const ivec number = (int32_t)(kh * w->kernel_w + kw) - (ivec){0};
          for (int64_t j = 0; j < wide; j += LANES) {
            vec v = load(from + j), b = load(best + j);
            ivec larger = (ivec)(v > b) | (ivec)(v != v);
            store(best + j, choose(larger, v, b));
            ivec t = *(ivec *)(tap + j);
            *(ivec *)(tap + j) = (larger & number) | (~larger & t);
          }
        }
      }
      float *to = y + (plane * w->out_height + oh) * width;
      uint8_t *to_taps = taps + (plane * w->out_height + oh) * width;
      copy_run(to, best, width);
      for (int64_t j = 0; j < width; j++) to_taps[j] = (uint8_t)tap[j];
    }
  }
}
