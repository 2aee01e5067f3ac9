#include "window.h"

// Conv3x3(X [N, I, H, W], weight [O, I/group, 3, 3], bias [O] or nothing) → Y: Conv with
// stride 1, see winograd.inc.h. Attributes: pads [top, left, bottom, right], group, relu (1: Y = max(Y, 0)).
//
// With transposed = 1 it is that convolution's gradient: X is dY, Y is dX, the weight is [I, O/group, 3, 3], and pads
// are 2 minus the convolution's.
typedef struct {
  fx_kernel base;
  int64_t pads[4], groups, relu, transposed;
} kernel;

typedef struct {
  const fx_isa *isa;
  fx_winograd_part all;
  const float *weight;
  float *transformed_weights;
  int transposed;
  int64_t rows; // of tiles, in a part
} job;

// A block is up to isa->rows filters of a group.
static int64_t blocks_of_group(const job *j) {
  const fx_window *w = &j->all.window;
  return (w->outputs / w->groups + j->isa->rows - 1) / j->isa->rows;
}

static int64_t blocks(const job *j) { return blocks_of_group(j) * j->all.window.groups; }

static int64_t first_filter(const job *j, int64_t block) {
  const fx_window *w = &j->all.window;
  const int64_t of_group = blocks_of_group(j);
  return block / of_group * (w->outputs / w->groups) + block % of_group * j->isa->rows;
}

static int64_t block_floats(const job *j) {
  return j->isa->rows * 16 * (j->all.window.channels / j->all.window.groups);
}

static void transform_block(const job *j, int64_t block, float *to) {
  j->isa->winograd_transform_weights(&j->all.window, j->weight, to, first_filter(j, block), j->transposed);
}

static float *scratch(const fx_isa *isa, const fx_winograd_part *part, int64_t more) {
  return fx_aligned(fx_scratch((size_t)(isa->winograd_scratch(&part->window, part->rows) + more + 16) * sizeof(float)));
}

// With many tiles, a part is some rows of them in a group, whose transformed input stays in the core's cache.
static void transform_weights(void *data, size_t index) {
  const job *j = data;
  transform_block(j, (int64_t)index, j->transformed_weights + (int64_t)index * block_floats(j));
}

static void some_rows(void *data, size_t index) {
  const job *j = data;
  fx_winograd_part part = j->all;
  const fx_window *w = &part.window;
  const int64_t channels = w->channels / w->groups, group = (int64_t)index % w->groups;
  part.row = (int64_t)index / w->groups * j->rows;
  part.rows = j->all.rows - part.row < j->rows ? j->all.rows - part.row : j->rows;
  const int64_t transformed = (j->isa->winograd_transformed_floats(w, part.rows) + 15) / 16 * 16;
  part.transformed = scratch(j->isa, &part, transformed), part.scratch = part.transformed + transformed;
  j->isa->winograd_transform_input(&part, group * channels, channels);
  for (int64_t block = group * blocks_of_group(j); block < (group + 1) * blocks_of_group(j); block++)
    j->isa->winograd_multiply(&part, j->transformed_weights + block * block_floats(j), first_filter(j, block));
}

static OrtStatus *by_rows(const OrtApi *api, OrtKernelContext *context, job *j) {
  j->transformed_weights = fx_alloc((size_t)(blocks(j) * block_floats(j)) * sizeof(float));
  if (!j->transformed_weights) return fx_error(api, "out of memory for the weights of a convolution");
  OrtStatus *s = fx_parallel(api, context, transform_weights, (size_t)blocks(j), j);
  const int64_t parts = (j->all.rows + j->rows - 1) / j->rows;
  if (!s) s = fx_parallel(api, context, some_rows, (size_t)(parts * j->all.window.groups), j);
  fx_free(j->transformed_weights);
  return s;
}

// With few tiles and many kernels of one group, a part is some kernels, and all parts share the transformed input.
enum { FEW = 1 << 21, CHANNELS = 16 }; // floats of transformed input; channels that a part transforms

static void some_channels(void *data, size_t index) {
  const job *j = data;
  fx_winograd_part part = j->all;
  int64_t first = (int64_t)index * CHANNELS, left = part.window.channels - first;
  part.scratch = scratch(j->isa, &part, 0);
  j->isa->winograd_transform_input(&part, first, left < CHANNELS ? left : CHANNELS);
}

static void some_filters(void *data, size_t index) {
  const job *j = data;
  fx_winograd_part part = j->all;
  float *weights = scratch(j->isa, &part, block_floats(j));
  part.scratch = weights + block_floats(j);
  transform_block(j, (int64_t)index, weights);
  j->isa->winograd_multiply(&part, weights, first_filter(j, (int64_t)index));
}

static OrtStatus *by_filters(const OrtApi *api, OrtKernelContext *context, job *j) {
  const fx_window *w = &j->all.window;
  void *memory = fx_alloc((size_t)(j->isa->winograd_transformed_floats(w, j->all.rows) + 16) * sizeof(float));
  if (!memory) return fx_error(api, "out of memory for a convolution");
  j->all.transformed = fx_aligned(memory);
  OrtStatus *s = fx_parallel(api, context, some_channels, (size_t)((w->channels + CHANNELS - 1) / CHANNELS), j);
  if (!s) s = fx_parallel(api, context, some_filters, (size_t)blocks(j), j);
  fx_free(memory);
  return s;
}

static OrtStatus *compute(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view x, weight, bias, y;
  FX_TRY(fx_input(api, context, 0, &x));
  FX_TRY(fx_input(api, context, 1, &weight));
  FX_TRY(fx_input(api, context, 2, &bias));
  const int64_t *pads = k->pads, outputs = k->transposed ? weight.dims[1] * k->groups : weight.dims[0];
  if (k->groups < 1 || x.dims[1] % k->groups || outputs % k->groups || weight.dims[2] != 3 || weight.dims[3] != 3 ||
      weight.count != x.dims[1] / k->groups * outputs * 9)
    return fx_error(api, "a convolution that Conv3x3 does not do");
  const int64_t shape[4] = {x.dims[0], outputs, x.dims[2] + pads[0] + pads[2] - 2, x.dims[3] + pads[1] + pads[3] - 2};
  if (shape[2] < 1 || shape[3] < 1) return fx_error(api, "an image smaller than the kernel of a convolution");
  FX_TRY(fx_output(api, context, 0, shape, 4, &y));
  job j = {.isa = k->base.isa, .weight = weight.data, .transposed = (int)k->transposed};
  j.all = (fx_winograd_part){.x = x.data, .y = y.data, .bias = bias.data, .relu = (int)k->relu};
  fx_window *w = &j.all.window;
  fx_set_input(w, x.dims);
  fx_set_output(w, shape);
  w->top = pads[0], w->left = pads[1], w->groups = k->groups;
  j.all.rows = w->batch * ((w->out_height + 1) / 2);
  j.rows = j.isa->winograd_rows(w);
  const int few =
      w->groups == 1 && w->outputs > w->channels / 8 && j.isa->winograd_transformed_floats(w, j.all.rows) <= FEW;
  return few ? by_filters(api, context, &j) : by_rows(api, context, &j);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_ints(api, info, "pads", k->pads, 4);
  k->groups = 1;
  fx_int(api, info, "group", &k->groups);
  fx_int(api, info, "relu", &k->relu);
  fx_int(api, info, "transposed", &k->transposed);
  *made = k;
  return NULL;
}

void fx_op_conv3x3(fx_op *op) { fx_define(op, "Conv3x3", "ffF", "f", create, compute); }
