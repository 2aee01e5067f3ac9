#include <string.h>

#include "window.h"

// MaxPool(X [N, C, H, W]) → Y [N, C, H', W'], taps [N, C, H', W'] uint8: which
// element of the window was largest. Attributes as of MaxPool, and output_shape,
// [H', W'], since ceil_mode may add windows.
//
// MaxPoolGrad(dY, taps) → dX. Attributes as above, and input_shape [H, W].
typedef struct {
  fx_kernel base;
  fx_window window;
} kernel;

typedef struct {
  const kernel *kernel;
  fx_window window;
  const float *in;
  float *out;
  uint8_t *taps;
  int64_t planes, share;
} job;

enum { PARTS = 64 };

static int64_t share_of(job *j, size_t part, int64_t *first) {
  *first = (int64_t)part * j->share;
  return j->planes - *first < j->share ? j->planes - *first : j->share;
}

static OrtStatus *divide(job *j, const OrtApi *api, OrtKernelContext *context, void (*work)(void *, size_t)) {
  j->planes = j->window.batch * j->window.channels;
  j->share = (j->planes + PARTS - 1) / PARTS;
  return fx_parallel(api, context, work, (size_t)((j->planes + j->share - 1) / j->share), j);
}

static void pool_part(void *data, size_t part) {
  job *j = data;
  int64_t first, count = share_of(j, part, &first);
  j->kernel->base.isa->max_pool(&j->window, j->in, j->out, j->taps, first, count);
}

static OrtStatus *pool(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view x, y, taps;
  FX_TRY(fx_input(api, context, 0, &x));
  job j = {.kernel = k, .window = k->window, .in = x.data};
  fx_set_input(&j.window, x.dims);
  int64_t shape[4] = {x.dims[0], x.dims[1], k->window.out_height, k->window.out_width};
  FX_TRY(fx_output(api, context, 0, shape, 4, &y));
  FX_TRY(fx_output(api, context, 1, shape, 4, &taps));
  j.out = y.data, j.taps = taps.data;
  return divide(&j, api, context, pool_part);
}

static void grad_part(void *data, size_t part) {
  job *j = data;
  const fx_window *w = &j->window;
  int64_t first, count = share_of(j, part, &first), offsets[256];
  for (int64_t t = 0; t < w->kernel_h * w->kernel_w; t++)
    offsets[t] = t / w->kernel_w * w->dilation_h * w->width + t % w->kernel_w * w->dilation_w;
  for (int64_t plane = first; plane < first + count; plane++) {
    float *dx = j->out + plane * w->height * w->width;
    const float *dy = j->in + plane * w->out_height * w->out_width;
    const uint8_t *tap = j->taps + plane * w->out_height * w->out_width;
    memset(dx, 0, (size_t)(w->height * w->width) * sizeof(float));
    for (int64_t oh = 0; oh < w->out_height; oh++) {
      int64_t corner = (oh * w->stride_h - w->top) * w->width - w->left;
      for (int64_t ow = 0; ow < w->out_width; ow++, corner += w->stride_w) dx[corner + offsets[*tap++]] += *dy++;
    }
  }
}

static OrtStatus *grad(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view dy, taps, dx;
  FX_TRY(fx_input(api, context, 0, &dy));
  FX_TRY(fx_input(api, context, 1, &taps));
  job j = {.kernel = k, .window = k->window, .in = dy.data, .taps = taps.data};
  int64_t shape[4] = {dy.dims[0], dy.dims[1], k->window.height, k->window.width};
  fx_set_input(&j.window, shape);
  fx_set_output(&j.window, dy.dims);
  FX_TRY(fx_output(api, context, 0, shape, 4, &dx));
  j.out = dx.data;
  return divide(&j, api, context, grad_part);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_read_window(api, info, &k->window);
  int64_t in[2] = {0}, out[2] = {0};
  fx_ints(api, info, "input_shape", in, 2);
  fx_ints(api, info, "output_shape", out, 2);
  k->window.height = in[0], k->window.width = in[1];
  k->window.out_height = out[0], k->window.out_width = out[1];
  *made = k;
  return NULL;
}

void fx_op_max_pool(fx_op *op) { fx_define(op, "MaxPool", "f", "fb", create, pool); }
void fx_op_max_pool_grad(fx_op *op) { fx_define(op, "MaxPoolGrad", "fb", "f", create, grad); }
