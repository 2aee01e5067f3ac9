#include "ort.h"

// ReluGrad(dY, Y) → dX: dY where Y > 0, else 0.
typedef struct {
  const fx_isa *isa;
  const float *dy, *y;
  float *dx;
  int64_t count;
} job;

enum { PIECE = 1 << 15 }; // values of a part

static void one_part(void *data, size_t part) {
  const job *j = data;
  int64_t at = (int64_t)part * PIECE, left = j->count - at;
  j->isa->relu_gradient(j->dy + at, j->y + at, j->dx + at, left < PIECE ? left : PIECE);
}

static OrtStatus *compute(void *data, OrtKernelContext *context) {
  const fx_kernel *k = data;
  const OrtApi *api = k->api;
  fx_tensor_view dy, y, dx;
  FX_TRY(fx_input(api, context, 0, &dy));
  FX_TRY(fx_input(api, context, 1, &y));
  FX_TRY(fx_output(api, context, 0, y.dims, y.rank, &dx));
  job j = {.isa = k->isa, .dy = dy.data, .y = y.data, .dx = dx.data, .count = y.count};
  return fx_parallel(api, context, one_part, (size_t)((j.count + PIECE - 1) / PIECE), &j);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  *made = fx_new_kernel(api, sizeof(fx_kernel));
  return *made ? NULL : fx_error(api, "out of memory");
}

void fx_op_relu_grad(fx_op *op) {
  fx_define(op, "ReluGrad", "ff", "f", create, compute);
  fx_first_in_place(op);
}
