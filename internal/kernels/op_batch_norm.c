#include <math.h>

#include "ort.h"

// BatchNorm(X [N, C, …], scale [C], bias [C], running_mean [C], running_var [C]) → Y, mean [C], inverse [C],
// next_running_mean [C], next_running_var [C]: batch normalization with the batch's statistics. inverse is
// 1/√(variance + ε). Attributes: epsilon, momentum (of the old value), and activation, a, b: the activation after it,
// whose result is Y.
//
// BatchNormGrad(dY, X, scale, bias, mean, inverse) → dX, dscale, dbias. Attributes: activation, a, b.
// Source: Ioffe and Szegedy, "Batch Normalization", 2015.
typedef struct {
  fx_kernel base;
  float epsilon, momentum;
  fx_activation activation;
} kernel;

typedef struct {
  const kernel *kernel;
  fx_norm_channel all;
  const float *scale, *bias, *old_mean, *old_variance;
  float *mean, *inverse, *next_mean, *next_variance, *dscale, *dbias;
} job;

static void measure(job *j, const fx_tensor_view *x) {
  j->all.x = x->data;
  j->all.batch = x->dims[0], j->all.channels = x->dims[1];
  j->all.places = x->count / (x->dims[0] * x->dims[1]);
}

static fx_activation of_channel(const job *j, size_t index) {
  fx_activation f = j->kernel->activation;
  f.mean = j->mean[index], f.scale = j->scale[index] * j->inverse[index], f.shift = j->bias[index];
  return f;
}

static void norm_channel(void *data, size_t index) {
  job *j = data;
  const kernel *k = j->kernel;
  fx_norm_channel n = j->all;
  double mean, variance, count = (double)n.batch * (double)n.places;
  k->base.isa->norm_moments(&n, (int64_t)index, &mean, &variance);
  j->mean[index] = (float)mean;
  j->inverse[index] = (float)(1 / sqrt(variance + (double)k->epsilon));
  n.activation = of_channel(j, index);
  k->base.isa->norm_apply(&n, (int64_t)index);
  double keep = (double)k->momentum; // the unbiased variance, as in torch
  j->next_mean[index] = (float)(keep * j->old_mean[index] + (1 - keep) * mean);
  j->next_variance[index] = (float)(keep * j->old_variance[index] + (1 - keep) * variance * count / (count - 1));
}

static OrtStatus *norm(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view in[5], out[5];
  for (size_t i = 0; i < 5; i++) FX_TRY(fx_input(api, context, i, &in[i]));
  FX_TRY(fx_output(api, context, 0, in[0].dims, in[0].rank, &out[0]));
  for (size_t i = 1; i < 5; i++) FX_TRY(fx_output(api, context, i, &in[0].dims[1], 1, &out[i]));
  job j = {
      .kernel = k,
      .scale = in[1].data,
      .bias = in[2].data,
      .old_mean = in[3].data,
      .old_variance = in[4].data,
      .mean = out[1].data,
      .inverse = out[2].data,
      .next_mean = out[3].data,
      .next_variance = out[4].data,
  };
  measure(&j, &in[0]);
  j.all.out = out[0].data;
  return fx_parallel(api, context, norm_channel, (size_t)j.all.channels, &j);
}

static void grad_channel(void *data, size_t index) {
  job *j = data;
  fx_norm_channel n = j->all;
  n.activation = of_channel(j, index);
  double dy, along, inverse = j->inverse[index], count = (double)n.batch * (double)n.places;
  j->kernel->base.isa->norm_sums(&n, (int64_t)index, &dy, &along);
  double dscale = along * inverse, a = j->scale[index] * inverse;
  j->dscale[index] = (float)dscale, j->dbias[index] = (float)dy;
  if (n.out)
    j->kernel->base.isa->norm_gradient(&n, (int64_t)index, (float)a, (float)(-a / count * inverse * dscale),
                                       (float)(-a / count * dy));
}

static OrtStatus *grad(void *data, OrtKernelContext *context) {
  const kernel *k = data;
  const OrtApi *api = k->base.api;
  fx_tensor_view in[6], out[3];
  for (size_t i = 0; i < 6; i++) FX_TRY(fx_input(api, context, i, &in[i]));
  FX_TRY(fx_output(api, context, 0, in[1].dims, in[1].rank, &out[0]));
  for (size_t i = 1; i < 3; i++) FX_TRY(fx_output(api, context, i, &in[1].dims[1], 1, &out[i]));
  job j = {
      .kernel = k,
      .scale = in[2].data,
      .bias = in[3].data,
      .mean = in[4].data,
      .inverse = in[5].data,
      .dscale = out[1].data,
      .dbias = out[2].data,
  };
  measure(&j, &in[1]);
  j.all.dy = in[0].data, j.all.out = out[0].data;
  return fx_parallel(api, context, grad_channel, (size_t)j.all.channels, &j);
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **made) {
  kernel *k = fx_new_kernel(api, sizeof *k);
  if (!k) return fx_error(api, "out of memory");
  k->epsilon = 1e-5f, k->momentum = 0.9f;
  fx_float(api, info, "epsilon", &k->epsilon);
  fx_float(api, info, "momentum", &k->momentum);
  fx_read_activation(api, info, &k->activation);
  *made = k;
  return NULL;
}

void fx_op_batch_norm(fx_op *op) { fx_define(op, "BatchNorm", "fffff", "fffff", create, norm); }
void fx_op_batch_norm_grad(fx_op *op) {
  fx_define(op, "BatchNormGrad", "ffffff", "Fff", create, grad);
  fx_first_in_place(op); // a channel's sums are complete before its dX is written
}
