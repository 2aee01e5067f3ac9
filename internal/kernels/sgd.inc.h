// sgd is torch.optim.SGD's step, with a momentum buffer that starts at zero: g += decay·p; m = momentum·m + g; p -=
// rate·(nesterov ? g + momentum·m : m).
static void sgd(const float *p, const float *g, const float *m, float *next_p, float *next_m, int64_t count, float rate,
                float momentum, float decay, int nesterov) {
  for (int64_t i = 0; i < count; i++) {
    float gradient = g[i];
    if (decay != 0) gradient += decay * p[i];
    float step = gradient;
    if (m) {
      float moved = momentum * m[i] + gradient;
      next_m[i] = moved;
      step = nesterov ? gradient + momentum * moved : moved;
    }
    next_p[i] = p[i] - rate * step;
  }
}
