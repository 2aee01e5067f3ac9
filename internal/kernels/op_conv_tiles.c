#include <pthread.h>
#include <stdlib.h>

#include "window.h"

// ConvTiles(X, weight, bias or nothing, sum or nothing) → Y: ONNX Runtime's com.microsoft.nchwc.Conv for 3×3 or 5×5
// kernels with stride 1, in its blocked layout, see tiles.inc.h. Y = convolution + bias + sum. The weight is constant.
// Attributes: pads [top, left, bottom, right], relu (1: Y = max(Y, 0)).
typedef struct {
  fx_kernel base;
  int64_t pads[4], relu;
  pthread_mutex_t lock;
  float *weights; // transformed for tiles by the first run
} kernel;

typedef struct {
  const fx_isa *isa;
  fx_tiles_part all;
  const float *weight;
  float *transformed_weights;
  int64_t tiles; // of a part
} job;

static void transform_panel(void *data, size_t index) {
  const job *j = data;
  const fx_window *w = &j->all.window;
  const int64_t first = (int64_t)index * j->isa->panel;
  j->isa->tile_transform_weights(j->weight, j->transformed_weights + first * fx_tile_elements(w) * w->channels,
                                 w->outputs, w->channels, w->kernel_h, first);
}

static OrtStatus *transform_weights(kernel *k, const OrtApi *api, OrtKernelContext *context, job *j) {
  const fx_window *w = &j->all.window;
  OrtStatus *s = NULL;
  pthread_mutex_lock(&k->lock);
  if (!k->weights) {
    j->transformed_weights = malloc((size_t)(w->outputs * w->channels * fx_tile_elements(w)) * sizeof(float));
    if (j->transformed_weights)
      s = fx_parallel(api, context, transform_panel,
                      (size_t)((w->outputs + k->base.isa->panel - 1) / k->base.isa->panel), j);
    else
      s = fx_error(api, "out of memory for the weights of a convolution");
    if (s)
      free(j->transformed_weights);
    else
      k->weights = j->transformed_weights;
  }
  pthread_mutex_unlock(&k->lock);
  return s;
}

static void some_tiles(void *data, size_t index) {
  const job *j = data;
  fx_tiles_part part = j->all;
  part.first = (int64_t)index * j->tiles;
  part.tiles = j->all.tiles - part.first < j->tiles ? j->all.tiles - part.first : j->tiles;
  part.scratch = fx_aligned(fx_scratch((size_t)(j->isa->tiles_scratch(&part.window, part.tiles) + 16) * sizeof(float)));
  j->isa->convolve_tiles(&part);
}

// Tiles of a part: few enough that their transformed input stays in the core's cache, many enough to share each read
// of the weights.
enum { TILES = 48 };

static int64_t tiles_of_part(int64_t tiles) {
  const int64_t parts = (tiles + TILES - 1) / TILES;
  return (tiles + parts - 1) / parts; // even shares
}

static OrtStatus *compute(void *data, OrtKernelContext *context) {
  kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view x, weight, bias, sum, y;
  FX_TRY(fx_input(api, context, 0, &x));
  FX_TRY(fx_input(api, context, 1, &weight));
  FX_TRY(fx_input(api, context, 2, &bias));
  FX_TRY(fx_input(api, context, 3, &sum));
  const int64_t size = weight.dims[2], *pads = k->pads;
  if ((size != 3 && size != 5) || weight.dims[3] != size || x.dims[1] != weight.dims[1] ||
      weight.dims[0] % k->base.isa->lanes || weight.dims[1] % k->base.isa->lanes ||
      (bias.data && bias.count != weight.dims[0]))
    return fx_error(api, "a convolution that ConvTiles does not do");
  const int64_t shape[4] = {x.dims[0], weight.dims[0], x.dims[2] + pads[0] + pads[2] + 1 - size,
                            x.dims[3] + pads[1] + pads[3] + 1 - size};
  if (shape[2] < 1 || shape[3] < 1) return fx_error(api, "an image smaller than the kernel of a convolution");
  FX_TRY(fx_output(api, context, 0, shape, 4, &y));
  if (sum.data && sum.count != y.count) return fx_error(api, "ConvTiles can't add tensors of two shapes");
  job j = {.isa = k->base.isa, .weight = weight.data};
  j.all = (fx_tiles_part){.x = x.data, .y = y.data, .bias = bias.data, .sum = sum.data, .relu = (int)k->relu};
  fx_window *w = &j.all.window;
  fx_set_input(w, x.dims);
  fx_set_output(w, shape);
  w->top = pads[0], w->left = pads[1], w->kernel_h = w->kernel_w = size;
  FX_TRY(transform_weights(k, api, context, &j));
  j.all.weights = k->weights;
  j.all.tiles = w->batch * ((w->out_height + FX_TILE_RESULTS - 1) / FX_TILE_RESULTS) *
                ((w->out_width + FX_TILE_RESULTS - 1) / FX_TILE_RESULTS);
  j.tiles = tiles_of_part(j.all.tiles);
  return fx_parallel(api, context, some_tiles, (size_t)((j.all.tiles + j.tiles - 1) / j.tiles), &j);
}

static void destroy(void *data) {
  kernel *k = data;
  pthread_mutex_destroy(&k->lock);
  free(k->weights);
  free(k);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  pthread_mutex_init(&k->lock, NULL);
  fx_ints(api, info, "pads", k->pads, 4);
  fx_int(api, info, "relu", &k->relu);
  *made = k;
  return NULL;
}

void fx_op_conv_tiles(fx_op *op) {
  fx_define(op, "ConvTiles", "ffFF", "f", create, compute);
  op->base.KernelDestroy = destroy;
}
