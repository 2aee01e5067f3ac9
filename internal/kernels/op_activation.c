#include "ort.h"

// Activation(X) → Y. Attributes: activation, a number of fx_activation_kind, and its parameters a and b.
//
// ActivationGrad(dY, X) → dX. For FX_RELU and FX_CLIP X may be the activation's result, which has the same gradient.
typedef struct {
  fx_kernel base;
  fx_activation activation;
} kernel;

typedef struct {
  const kernel *kernel;
  const float *dy, *x;
  float *to;
  int64_t count;
} job;

enum { PIECE = 1 << 15 }; // values of a part

static void one_part(void *data, size_t part) {
  const job *j = data;
  const fx_isa *isa = j->kernel->base.isa;
  const int64_t at = (int64_t)part * PIECE, left = j->count - at, count = left < PIECE ? left : PIECE;
  if (j->dy)
    isa->activate_gradient(&j->kernel->activation, j->dy + at, j->x + at, j->to + at, count);
  else
    isa->activate(&j->kernel->activation, j->x + at, j->to + at, count);
}

static OrtStatus *compute_from(const kernel *k, OrtKernelContext *context, const float *dy, size_t input) {
  const OrtApi *api = k->base.api;
  fx_tensor_view x, to;
  FX_TRY(fx_input(api, context, input, &x));
  FX_TRY(fx_output(api, context, 0, x.dims, x.rank, &to));
  job j = {.kernel = k, .dy = dy, .x = x.data, .to = to.data, .count = x.count};
  return fx_parallel(api, context, one_part, (size_t)((j.count + PIECE - 1) / PIECE), &j);
}

static OrtStatus *compute(void *data, OrtKernelContext *context) { return compute_from(data, context, NULL, 0); }

static OrtStatus *compute_gradient(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  fx_tensor_view dy;
  FX_TRY(fx_input(k->base.api, context, 0, &dy));
  return compute_from(k, context, dy.data, 1);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  fx_read_activation(api, info, &k->activation);
  *made = k;
  return NULL;
}

void fx_op_activation(fx_op *op) {
  fx_define(op, "Activation", "f", "f", create, compute);
  fx_first_in_place(op);
}
void fx_op_activation_grad(fx_op *op) {
  fx_define(op, "ActivationGrad", "ff", "f", create, compute_gradient);
  fx_first_in_place(op);
}
