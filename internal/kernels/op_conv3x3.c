#include "window.h"

// Conv3x3(X [N, I, H, W], weight [O, I, 3, 3], bias [O] or nothing) → Y: Conv with
// stride 1, see winograd.inc.h. Attributes: pads [top, left], output_shape [H', W'],
// relu (1: Y = max(Y, 0)).
//
// With transposed = 1 it is that convolution's gradient: X is dY, Y is dX, the
// weight is [I, O, 3, 3], and pads are 2 less the convolution's.
typedef struct {
  fx_kernel base;
  int64_t pads[2], size[2], relu, transposed;
} kernel;

typedef struct {
  const fx_isa *isa;
  fx_winograd_part part;
  const float *weight;
  float *laid;
  int transposed;
  int64_t rows, all; // rows of tiles: of a part, of the job
} job;

static void lay_weights(void *data, size_t index) {
  const job *j = data;
  const fx_window *w = &j->part.window;
  int64_t filters = j->isa->rows, first = (int64_t)index * filters;
  j->isa->winograd_weights(j->weight, j->laid + first * 16 * w->channels, w->outputs, w->channels, first, j->transposed);
}

static void one_part(void *data, size_t index) {
  const job *j = data;
  fx_winograd_part part = j->part;
  part.row = (int64_t)index * j->rows;
  part.rows = j->all - part.row < j->rows ? j->all - part.row : j->rows;
  part.scratch = fx_scratch((size_t)j->isa->winograd_scratch(&part.window, part.rows) * sizeof(float));
  j->isa->winograd(&part);
}

static fx_status compute(void *data, void *context) {
  const kernel *k = data;
  fx_table api = k->base.api;
  fx_tensor_view x, weight, bias, y;
  FX_TRY(fx_input(api, context, 0, &x));
  FX_TRY(fx_input(api, context, 1, &weight));
  FX_TRY(fx_input(api, context, 2, &bias));
  int64_t shape[4] = {x.dims[0], weight.dims[k->transposed ? 1 : 0], k->size[0], k->size[1]};
  FX_TRY(fx_output(api, context, 0, shape, 4, &y));
  job j = {.isa = k->base.isa, .weight = weight.data, .transposed = (int)k->transposed};
  j.part = (fx_winograd_part){.x = x.data, .y = y.data, .bias = bias.data, .relu = (int)k->relu};
  fx_window *w = &j.part.window;
  fx_set_input(w, x.dims);
  fx_set_output(w, shape);
  w->top = k->pads[0], w->left = k->pads[1];
  int64_t filters = j.isa->rows, groups = (w->outputs + filters - 1) / filters;
  j.laid = fx_take_memory((size_t)(groups * filters * 16 * w->channels) * sizeof(float));
  if (!j.laid) return fx_error(api, "out of memory for the weights of a convolution");
  j.part.weights = j.laid;
  j.rows = j.isa->winograd_rows(w), j.all = w->batch * ((w->out_height + 1) / 2);
  fx_status s = fx_parallel(api, context, lay_weights, (size_t)groups, &j);
  if (!s) s = fx_parallel(api, context, one_part, (size_t)((j.all + j.rows - 1) / j.rows), &j);
  fx_give_memory(j.laid);
  return s;
}

static fx_status create(const fx_op *op, fx_table api, const void *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_ints(api, info, "pads", k->pads, 2);
  fx_ints(api, info, "output_shape", k->size, 2);
  fx_int(api, info, "relu", &k->relu);
  fx_int(api, info, "transposed", &k->transposed);
  *made = k;
  return NULL;
}

void fx_op_conv3x3(fx_op *op) { fx_define(op, "Conv3x3", "ffF", "f", create, compute); }
