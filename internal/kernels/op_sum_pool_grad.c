#include <string.h>

#include "window.h"

// SumPoolGrad(dY) → dX: the gradient of a sum over windows, which every place of a
// window receives. Attributes as of AveragePool, and input_shape [H, W].
typedef struct {
  fx_kernel base;
  fx_window window;
} kernel;

typedef struct {
  fx_window window;
  const float *dy;
  float *dx;
} job;

// inside sets [*from, *to) to the elements of a window at place `at` that are within the size.
static void inside(int64_t at, int64_t kernel, int64_t dilation, int64_t size, int64_t *from, int64_t *to) {
  *from = at < 0 ? (-at + dilation - 1) / dilation : 0;
  *to = at >= size ? 0 : (size - 1 - at) / dilation + 1;
  if (*to > kernel) *to = kernel;
}

static void plane(void *data, size_t index) {
  const job *j = data;
  const fx_window *w = &j->window;
  const float *dy = j->dy + (int64_t)index * w->out_height * w->out_width;
  float *dx = j->dx + (int64_t)index * w->height * w->width;
  memset(dx, 0, (size_t)(w->height * w->width) * sizeof(float));
  for (int64_t oh = 0; oh < w->out_height; oh++) {
    int64_t top = oh * w->stride_h - w->top, first_h, end_h;
    inside(top, w->kernel_h, w->dilation_h, w->height, &first_h, &end_h);
    for (int64_t ow = 0; ow < w->out_width; ow++) {
      int64_t left = ow * w->stride_w - w->left, first_w, end_w;
      inside(left, w->kernel_w, w->dilation_w, w->width, &first_w, &end_w);
      const float share = *dy++;
      for (int64_t kh = first_h; kh < end_h; kh++) {
        float *row = dx + (top + kh * w->dilation_h) * w->width + left;
        for (int64_t kw = first_w; kw < end_w; kw++) row[kw * w->dilation_w] += share;
      }
    }
  }
}

static OrtStatus *compute(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view dy, dx;
  FX_TRY(fx_input(api, context, 0, &dy));
  int64_t shape[4] = {dy.dims[0], dy.dims[1], k->window.height, k->window.width};
  FX_TRY(fx_output(api, context, 0, shape, 4, &dx));
  job j = {.window = k->window, .dy = dy.data, .dx = dx.data};
  fx_set_output(&j.window, dy.dims);
  return fx_parallel(api, context, plane, (size_t)(dy.dims[0] * dy.dims[1]), &j);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_read_window(api, info, &k->window);
  int64_t in[2] = {0};
  fx_ints(api, info, "input_shape", in, 2);
  k->window.height = in[0], k->window.width = in[1];
  *made = k;
  return NULL;
}

void fx_op_sum_pool_grad(fx_op *op) { fx_define(op, "SumPoolGrad", "f", "f", create, compute); }
