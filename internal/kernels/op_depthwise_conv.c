#include "window.h"

// DepthwiseConv(X [N, C, H, W], weight [C, 1, kh, kw], bias [C] or nothing) → Y [N, C, H', W']: Conv with a group for
// each channel, see depthwise.inc.h. Attributes as of Conv, and output_shape [H', W'].
//
// With transposed = 1 it is that convolution's gradient: X is dY, Y is dX, and output_shape is [H, W] of dX.
typedef struct {
  fx_kernel base;
  fx_window window;
  int64_t size[2], transposed;
} kernel;

typedef struct {
  const fx_isa *isa;
  fx_depthwise_part all;
  int transposed;
  int64_t share; // planes of a part
} job;

enum { PARTS = 64 };

static void one_part(void *data, size_t index) {
  const job *j = data;
  fx_depthwise_part part = j->all;
  part.first = (int64_t)index * j->share;
  part.planes = j->all.planes - part.first < j->share ? j->all.planes - part.first : j->share;
  part.scratch = fx_scratch((size_t)j->isa->depthwise_scratch(&part.window, j->transposed) * sizeof(float));
  if (j->transposed)
    j->isa->convolve_planes_transposed(&part);
  else
    j->isa->convolve_planes(&part);
}

static OrtStatus *compute(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view x, weight, bias, y;
  FX_TRY(fx_input(api, context, 0, &x));
  FX_TRY(fx_input(api, context, 1, &weight));
  FX_TRY(fx_input(api, context, 2, &bias));
  int64_t shape[4] = {x.dims[0], x.dims[1], k->size[0], k->size[1]};
  FX_TRY(fx_output(api, context, 0, shape, 4, &y));
  job j = {.isa = k->base.isa, .transposed = (int)k->transposed};
  j.all =
      (fx_depthwise_part){.window = k->window, .from = x.data, .weight = weight.data, .bias = bias.data, .to = y.data};
  fx_set_input(&j.all.window, k->transposed ? shape : x.dims);
  fx_set_output(&j.all.window, k->transposed ? x.dims : shape);
  j.all.planes = x.dims[0] * x.dims[1];
  j.share = (j.all.planes + PARTS - 1) / PARTS;
  return fx_parallel(api, context, one_part, (size_t)((j.all.planes + j.share - 1) / j.share), &j);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_read_window(api, info, &k->window);
  fx_ints(api, info, "output_shape", k->size, 2);
  fx_int(api, info, "transposed", &k->transposed);
  *made = k;
  return NULL;
}

void fx_op_depthwise_conv(fx_op *op) { fx_define(op, "DepthwiseConv", "ffF", "f", create, compute); }
