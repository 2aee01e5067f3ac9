#include "window.h"

// ConvWeightGrad(dY [N, O, H', W'], X [N, I, H, W]) → dW [O, I/group, kh, kw], db [O]. Attributes as of Conv. Kernels
// of 3×3 with enough channels use Winograd's algorithm, see winograd_weight.inc.h. Depthwise ones, see depthwise.inc.h,
// are computed a channel at a time.
//
// Else a part of the job is a block of columns over some lines of places, see conv_weight.inc.h. If there are few
// blocks, the lines are divided as well, and the shares are added in order: the result does not depend on the number
// of threads. For a kernel of 1×1 with few channels, X and dY are exchanged, since a block with few columns is slow.
typedef struct {
  fx_kernel base;
  fx_window window;
} kernel;

typedef struct {
  const fx_isa *isa;
  fx_conv_weight_part all;
  float *sums; // of each part
  float *dw, *db;
  int64_t width, blocks, shares, lines,
      size; // columns; their blocks in a group; lines of a share; floats of a part's sums
  int exchanged;
} job;

enum { PARTS = 16, TILE_PARTS = 8 }; // enough to keep that many threads busy
enum { FEW_COLUMNS = 32 };           // up to this number, X and dY are exchanged if that gives more columns

static void one_part(void *data, size_t index) {
  const job *j = data;
  fx_conv_weight_part part = j->all;
  const fx_window *w = &part.window;
  int64_t share = (int64_t)index % j->shares, block = (int64_t)index / j->shares, all = w->batch * w->out_height;
  part.group = block / j->blocks;
  part.first = block % j->blocks * j->isa->block;
  part.count = j->width - part.first < j->isa->block ? j->width - part.first : j->isa->block;
  part.line = share * j->lines;
  part.lines = all - part.line < j->lines ? all - part.line : j->lines;
  part.to = j->sums + (int64_t)index * j->size;
  part.scratch = fx_scratch((size_t)j->isa->conv_weight_scratch(w) * sizeof(float));
  j->isa->conv_weight(&part);
}

// add_up writes an output's sums to the results.
static void add_up(void *data, size_t output) {
  const job *j = data;
  const int64_t block = j->isa->block, outputs = j->all.window.outputs / j->all.window.groups;
  const int64_t group = (int64_t)output / outputs, taps = j->db ? j->width - 1 : j->width;
  for (int64_t b = 0; b < j->blocks; b++) {
    const float *from = j->sums + (group * j->blocks + b) * j->shares * j->size + (int64_t)output % outputs * block;
    for (int64_t c = 0; c < block && b * block + c < j->width; c++) {
      float sum = from[c];
      for (int64_t s = 1; s < j->shares; s++) sum += from[s * j->size + c];
      if (j->exchanged)
        j->dw[(b * block + c) * outputs + (int64_t)output] = sum;
      else if (b * block + c < taps)
        j->dw[(int64_t)output * taps + b * block + c] = sum;
      else
        j->db[output] = sum;
    }
  }
}

static void exchange(job *j) {
  fx_window *w = &j->all.window;
  const int plain = w->kernel_h * w->kernel_w == 1 && w->groups == 1 && w->height == w->out_height &&
                    w->width == w->out_width && w->top == 0 && w->left == 0 && !j->db;
  if (!plain || w->channels > FEW_COLUMNS || w->outputs <= w->channels) return;
  const float *x = j->all.x;
  const int64_t channels = w->channels;
  j->all.x = j->all.dy, j->all.dy = x;
  w->channels = w->outputs, w->outputs = channels;
  j->exchanged = 1;
}

static OrtStatus *by_columns(const OrtApi *api, OrtKernelContext *context, job *j) {
  exchange(j);
  const fx_window *w = &j->all.window;
  const int64_t lines = w->batch * w->out_height, outputs = w->outputs / w->groups;
  j->width = w->channels / w->groups * w->kernel_h * w->kernel_w + (j->db ? 1 : 0);
  j->blocks = (j->width + j->isa->block - 1) / j->isa->block;
  j->shares = (PARTS + w->groups * j->blocks - 1) / (w->groups * j->blocks);
  if (j->shares > lines) j->shares = lines;
  j->lines = (lines + j->shares - 1) / j->shares;
  j->shares = (lines + j->lines - 1) / j->lines;
  j->size = (outputs + j->isa->rows - 1) / j->isa->rows * j->isa->rows * j->isa->block;
  const int64_t parts = w->groups * j->blocks * j->shares;
  j->sums = fx_alloc((size_t)(parts * j->size) * sizeof(float));
  if (!j->sums) return fx_error(api, "out of memory for the gradient of a convolution's weight");
  OrtStatus *s = fx_parallel(api, context, one_part, (size_t)parts, j);
  if (!s) s = fx_parallel(api, context, add_up, (size_t)w->outputs, j);
  fx_free(j->sums);
  return s;
}

// The same by Winograd: a part is a block of channels and a share of the rows of tiles.
typedef struct {
  const fx_isa *isa;
  fx_winograd_weight_part all;
  float *sums, *biases; // of each part
  float *dw, *db;
  int64_t blocks, shares, rows, size; // size: floats of a part's sums
} tile_job;

enum { FEW_CHANNELS = 32, FEW_ROWS = 8 };

static int fits_tiles(const fx_window *w) {
  return w->kernel_h == 3 && w->kernel_w == 3 && w->stride_h == 1 && w->stride_w == 1 && w->dilation_h == 1 &&
         w->dilation_w == 1 && w->groups == 1 && w->top <= 2 && w->left <= 2 && w->channels >= FEW_CHANNELS &&
         w->out_height + 2 - w->top <= w->height + 2 && w->out_width + 2 - w->left <= w->width + 2;
}

static void tile_part(void *data, size_t index) {
  const tile_job *j = data;
  fx_winograd_weight_part part = j->all;
  const fx_window *w = &part.window;
  int64_t share = (int64_t)index % j->shares, block = (int64_t)index / j->shares,
          all = w->batch * ((w->out_height + 1) / 2);
  part.channel = block * j->isa->block;
  part.channels = w->channels - part.channel < j->isa->block ? w->channels - part.channel : j->isa->block;
  part.row = share * j->rows;
  part.rows = all - part.row < j->rows ? all - part.row : j->rows;
  part.to = j->sums + (int64_t)index * j->size;
  part.bias = j->biases + (int64_t)index * w->outputs;
  part.scratch = fx_scratch((size_t)j->isa->winograd_weight_scratch(w) * sizeof(float));
  j->isa->winograd_weight(&part);
}

static void tile_finish(void *data, size_t output) {
  const tile_job *j = data;
  const fx_window *w = &j->all.window;
  const int64_t block = j->isa->block;
  for (int64_t b = 0; b < j->blocks; b++) {
    int64_t left = w->channels - b * block;
    j->isa->winograd_weight_finish(j->sums + b * j->shares * j->size, j->shares, j->size, w->outputs, (int64_t)output,
                                   left < block ? left : block,
                                   j->dw + ((int64_t)output * w->channels + b * block) * 9);
  }
  float bias = 0;
  for (int64_t s = 0; s < j->shares; s++) bias += j->biases[s * w->outputs + (int64_t)output];
  if (j->db) j->db[output] = bias;
}

static OrtStatus *by_tiles(const OrtApi *api, OrtKernelContext *context, const fx_isa *isa, const fx_window *w,
                           const float *dy, const float *x, float *dw, float *db) {
  tile_job j = {.isa = isa, .all = {.window = *w, .x = x, .dy = dy}, .dw = dw, .db = db};
  const int64_t block = isa->block, filters = isa->rows, all = w->batch * ((w->out_height + 1) / 2);
  j.blocks = (w->channels + block - 1) / block;
  j.shares = (TILE_PARTS + j.blocks - 1) / j.blocks;
  if (j.shares > (all + FEW_ROWS - 1) / FEW_ROWS) j.shares = (all + FEW_ROWS - 1) / FEW_ROWS;
  j.rows = (all + j.shares - 1) / j.shares;
  j.shares = (all + j.rows - 1) / j.rows;
  j.size = 16 * ((w->outputs + filters - 1) / filters * filters) * block;
  size_t parts = (size_t)(j.blocks * j.shares), floats = parts * (size_t)(j.size + w->outputs);
  j.sums = fx_alloc(floats * sizeof(float));
  if (!j.sums) return fx_error(api, "out of memory for the gradient of a convolution's weight");
  j.biases = j.sums + parts * (size_t)j.size;
  OrtStatus *s = fx_parallel(api, context, tile_part, parts, &j);
  if (!s) s = fx_parallel(api, context, tile_finish, (size_t)w->outputs, &j);
  fx_free(j.sums);
  return s;
}

// The same of a depthwise convolution: a part is a channel.
typedef struct {
  const fx_isa *isa;
  fx_depthwise_weight_part all;
} channel_job;

enum { MOST_TAPS = 256 };

static int fits_channels(const fx_window *w) {
  return w->groups == w->channels && w->groups == w->outputs && w->kernel_h * w->kernel_w <= MOST_TAPS;
}

static void channel_part(void *data, size_t channel) {
  const channel_job *j = data;
  fx_depthwise_weight_part part = j->all;
  part.channel = (int64_t)channel;
  part.scratch = fx_scratch((size_t)j->isa->depthwise_weight_scratch(&part.window) * sizeof(float));
  j->isa->depthwise_weight(&part);
}

static OrtStatus *compute(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view dy, x, dw, db;
  FX_TRY(fx_input(api, context, 0, &dy));
  FX_TRY(fx_input(api, context, 1, &x));
  fx_window w = k->window;
  fx_set_input(&w, x.dims);
  fx_set_output(&w, dy.dims);
  int64_t shape[4] = {w.outputs, w.channels / w.groups, w.kernel_h, w.kernel_w};
  FX_TRY(fx_output(api, context, 0, shape, 4, &dw));
  FX_TRY(fx_output(api, context, 1, shape, 1, &db));
  if (fits_tiles(&w)) return by_tiles(api, context, k->base.isa, &w, dy.data, x.data, dw.data, db.data);
  if (fits_channels(&w)) {
    channel_job j = {k->base.isa, {.window = w, .dy = dy.data, .x = x.data, .dw = dw.data, .db = db.data}};
    return fx_parallel(api, context, channel_part, (size_t)w.channels, &j);
  }
  job j = {.isa = k->base.isa, .all = {.window = w, .dy = dy.data, .x = x.data}, .dw = dw.data, .db = db.data};
  return by_columns(api, context, &j);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_read_window(api, info, &k->window);
  *made = k;
  return NULL;
}

void fx_op_conv_weight_grad(fx_op *op) { fx_define(op, "ConvWeightGrad", "ff", "fF", create, compute); }
