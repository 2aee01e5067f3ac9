#include <stdlib.h>

#include "ort.h"

// SGD(rate [], p…, g…, m…) → p…, m…: torch.optim.SGD's step on all parameters at once. A graph has one such node,
// which runs when all gradients are computed: nothing reads a parameter after it, and the results may be bound to the
// memory of the old values. Attributes: count, the number of parameters; momentum (the m are omitted if it is 0),
// weight_decay, nesterov; rate_multipliers, a number for each parameter, or nothing.
typedef struct {
  fx_kernel base;
  int64_t count, nesterov;
  float momentum, decay;
  float *multipliers; // or NULL
} kernel;

typedef struct {
  const float *p, *g, *m;
  float *next_p, *next_m;
  int64_t size;
  int64_t part; // the job's first part that belongs to it
} parameter;

typedef struct {
  const kernel *kernel;
  parameter *parameters;
  float rate;
} job;

enum { PIECE = 1 << 15 }; // values of a part

// part_of returns the parameter that a part of the job belongs to.
static const parameter *part_of(const job *j, int64_t part) {
  int64_t low = 0, high = j->kernel->count - 1;
  while (low < high) {
    int64_t middle = (low + high + 1) / 2;
    if (j->parameters[middle].part <= part)
      low = middle;
    else
      high = middle - 1;
  }
  return &j->parameters[low];
}

static void one_part(void *data, size_t index) {
  const job *j = data;
  const kernel *k = j->kernel;
  const parameter *p = part_of(j, (int64_t)index);
  const int64_t at = ((int64_t)index - p->part) * PIECE, left = p->size - at;
  const float rate = k->multipliers ? j->rate * k->multipliers[p - j->parameters] : j->rate;
  k->base.isa->sgd(p->p + at, p->g + at, p->m ? p->m + at : NULL, p->next_p + at, p->m ? p->next_m + at : NULL,
                   left < PIECE ? left : PIECE, rate, k->momentum, k->decay, (int)k->nesterov);
}

// gather reads the tensors of every parameter and divides the job.
static OrtStatus *gather(const kernel *k, OrtKernelContext *context, parameter *all, int64_t *parts) {
  const OrtApi *api = k->base.api;
  *parts = 0;
  for (int64_t i = 0; i < k->count; i++) {
    fx_tensor_view p, g, m = {0}, next_p, next_m = {0};
    FX_TRY(fx_input(api, context, (size_t)(1 + i), &p));
    FX_TRY(fx_input(api, context, (size_t)(1 + k->count + i), &g));
    FX_TRY(fx_output(api, context, (size_t)i, p.dims, p.rank, &next_p));
    if (k->momentum != 0) {
      FX_TRY(fx_input(api, context, (size_t)(1 + 2 * k->count + i), &m));
      FX_TRY(fx_output(api, context, (size_t)(k->count + i), p.dims, p.rank, &next_m));
    }
    if (g.count != p.count || (m.data && m.count != p.count))
      return fx_error(api, "a gradient of another size than its parameter");
    all[i] = (parameter){p.data, g.data, m.data, next_p.data, next_m.data, p.count, *parts};
    *parts += (p.count + PIECE - 1) / PIECE;
  }
  return NULL;
}

static OrtStatus *compute(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view rate;
  FX_TRY(fx_input(api, context, 0, &rate));
  job j = {.kernel = k, .rate = *(const float *)rate.data, .parameters = calloc((size_t)k->count, sizeof(parameter))};
  if (!j.parameters) return fx_error(api, "out of memory");
  int64_t parts;
  OrtStatus *s = gather(k, context, j.parameters, &parts);
  if (!s) s = fx_parallel(api, context, one_part, (size_t)parts, &j);
  free(j.parameters);
  return s;
}

static void destroy(void *data) {
  kernel *k = data;
  free(k->multipliers);
  free(k);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_int(api, info, "count", &k->count);
  fx_float(api, info, "momentum", &k->momentum);
  fx_float(api, info, "weight_decay", &k->decay);
  fx_int(api, info, "nesterov", &k->nesterov);
  OrtStatus *s = k->count > 0 ? fx_floats(api, info, "rate_multipliers", (size_t)k->count, &k->multipliers)
                              : fx_error(api, "no parameters");
  if (s)
    destroy(k);
  else
    *made = k;
  return s;
}

void fx_op_sgd(fx_op *op) {
  fx_define(op, "SGD", "fv", "v", create, compute);
  op->base.KernelDestroy = destroy;
}
