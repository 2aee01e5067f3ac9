#include <stdlib.h>

#include "ort.h"

// ReluGrad(dY, Y) → dX: dY where Y > 0.
//
// SGD(p, g, m or nothing, rate []) → p, m: torch.optim.SGD's step. Attributes:
// momentum, weight_decay, nesterov.
typedef struct {
  fx_kernel base;
  float momentum, decay;
  int64_t nesterov;
} kernel;

typedef struct {
  const kernel *kernel;
  const float *a, *b, *c;
  float *to, *to_c;
  int64_t count;
  float rate;
} job;

enum { PIECE = 1 << 15 }; // floats of a part

static int64_t length(const job *j, int64_t at) { return j->count - at < PIECE ? j->count - at : PIECE; }

static fx_status divide(job *j, fx_table api, void *context, void (*work)(void *, size_t)) {
  return fx_parallel(api, context, work, (size_t)((j->count + PIECE - 1) / PIECE), j);
}

static void relu_part(void *data, size_t part) {
  const job *j = data;
  int64_t at = (int64_t)part * PIECE;
  j->kernel->base.isa->relu_gradient(j->a + at, j->b + at, j->to + at, length(j, at));
}

static fx_status relu_grad(void *data, void *context) {
  const kernel *k = data;
  fx_table api = k->base.api;
  fx_tensor_view dy, y, dx;
  FX_TRY(fx_input(api, context, 0, &dy));
  FX_TRY(fx_input(api, context, 1, &y));
  FX_TRY(fx_output(api, context, 0, y.dims, y.rank, &dx));
  job j = {.kernel = k, .a = dy.data, .b = y.data, .to = dx.data, .count = y.count};
  return divide(&j, api, context, relu_part);
}

static void sgd_part(void *data, size_t part) {
  const job *j = data;
  const kernel *k = j->kernel;
  int64_t at = (int64_t)part * PIECE;
  k->base.isa->sgd(j->a + at, j->b + at, j->c ? j->c + at : NULL, j->to + at, j->to_c ? j->to_c + at : NULL,
                   length(j, at), j->rate, k->momentum, k->decay, (int)k->nesterov);
}

static fx_status sgd(void *data, void *context) {
  const kernel *k = data;
  fx_table api = k->base.api;
  fx_tensor_view p, g, m, rate, next_p, next_m = {0};
  FX_TRY(fx_input(api, context, 0, &p));
  FX_TRY(fx_input(api, context, 1, &g));
  FX_TRY(fx_input(api, context, 2, &m));
  FX_TRY(fx_input(api, context, 3, &rate));
  FX_TRY(fx_output(api, context, 0, p.dims, p.rank, &next_p));
  if (m.data) FX_TRY(fx_output(api, context, 1, p.dims, p.rank, &next_m));
  job j = {
      .kernel = k, .a = p.data, .b = g.data, .c = m.data, .to = next_p.data, .to_c = next_m.data,
      .count = p.count, .rate = *(const float *)rate.data,
  };
  return divide(&j, api, context, sgd_part);
}

static fx_status create(const fx_op *op, fx_table api, const void *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_float(api, info, "momentum", &k->momentum);
  fx_float(api, info, "weight_decay", &k->decay);
  fx_int(api, info, "nesterov", &k->nesterov);
  *made = k;
  return NULL;
}

static size_t first_inplace(int **inputs, int **outputs) {
  *inputs = calloc(1, sizeof **inputs);
  *outputs = calloc(1, sizeof **outputs);
  return *inputs && *outputs ? 1 : 0;
}
static void release_inplace(int *inputs, int *outputs) {
  free(inputs);
  free(outputs);
}

void fx_op_relu_grad(fx_op *op) {
  fx_define(op, "ReluGrad", "ff", "f", create, relu_grad);
  op->get_may_inplace = first_inplace, op->release_may_inplace = release_inplace;
}
void fx_op_sgd(fx_op *op) { fx_define(op, "SGD", "ffFf", "fF", create, sgd); }
