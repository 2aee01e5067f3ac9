// Common parts of the ops: a few functions over ONNX Runtime's C API for custom ops.
#ifndef FX_KERNELS_ORT_H
#define FX_KERNELS_ORT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"
#include "onnxruntime_c_api.h"

// fx_op describes an op. A NULL status is success.
typedef struct {
  OrtCustomOp base; // first, because ONNX Runtime passes a pointer to it
  const char *name;
  const char *inputs,
      *outputs; // a letter each: f float, b uint8, v any number of floats; upper case if it may be omitted
} fx_op;

typedef OrtStatus *(*fx_create)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **kernel);
typedef OrtStatus *(*fx_compute)(void *kernel, OrtKernelContext *);

// fx_define sets the fields that all ops share.
void fx_define(fx_op *op, const char *name, const char *inputs, const char *outputs, fx_create create,
               fx_compute compute);

// fx_first_in_place lets the first output take the first input's memory.
void fx_first_in_place(fx_op *op);

// The first member of every kernel.
typedef struct {
  const OrtApi *api;
  const fx_isa *isa;
} fx_kernel;

// fx_new_kernel allocates a kernel, zero except for its fx_kernel.
void *fx_new_kernel(const OrtApi *api, size_t size);

// An attribute. Missing ones leave the value unchanged.
void fx_int(const OrtApi *api, const OrtKernelInfo *info, const char *name, int64_t *value);
void fx_float(const OrtApi *api, const OrtKernelInfo *info, const char *name, float *value);
OrtStatus *fx_floats(const OrtApi *api, const OrtKernelInfo *info, const char *name, size_t count,
                     float **values); // the caller frees
void fx_ints(const OrtApi *api, const OrtKernelInfo *info, const char *name, int64_t *values, size_t count);
// fx_read_activation reads activation, a and b; the identity if they are missing.
void fx_read_activation(const OrtApi *api, const OrtKernelInfo *info, fx_activation *f);

// A tensor of a run: data is NULL if it was omitted. dims beyond rank are 1.
enum { FX_RANK = 8 };
typedef struct {
  void *data;
  int64_t dims[FX_RANK];
  size_t rank;
  int64_t count;
} fx_tensor_view;

OrtStatus *fx_input(const OrtApi *api, OrtKernelContext *context, size_t i, fx_tensor_view *t);
OrtStatus *fx_output(const OrtApi *api, OrtKernelContext *context, size_t i, const int64_t *dims, size_t rank,
                     fx_tensor_view *t);
OrtStatus *fx_error(const OrtApi *api, const char *text);

// fx_parallel calls job(data, i) for i in [0, count) on the session's threads.
OrtStatus *fx_parallel(const OrtApi *api, OrtKernelContext *context, void (*job)(void *, size_t), size_t count,
                       void *data);

// fx_scratch returns memory of the calling thread, valid until its next call.
void *fx_scratch(size_t bytes);

// fx_aligned returns the first 64-byte boundary in memory, which must have 64 bytes to spare.
static inline float *fx_aligned(void *memory) { return (float *)(((uintptr_t)memory + 63) / 64 * 64); }

// fx_alloc returns memory for a job, or NULL. fx_free keeps one block for the next job, because new pages would cost
// more than the work.
void *fx_alloc(size_t bytes);
void fx_free(void *memory);

#define FX_TRY(call)                                                                                                   \
  do {                                                                                                                 \
    OrtStatus *try_status = (call);                                                                                    \
    if (try_status) return try_status;                                                                                 \
  } while (0)

// The ops, one for each op_*.c; fx_register adds them all to session options.
void fx_op_conv_weight_grad(fx_op *op);
void fx_op_conv3x3(fx_op *op);
void fx_op_conv_tiles(fx_op *op);
void fx_op_depthwise_conv(fx_op *op);
void fx_op_max_pool(fx_op *op);
void fx_op_max_pool_grad(fx_op *op);
void fx_op_sum_pool_grad(fx_op *op);
void fx_op_batch_norm(fx_op *op);
void fx_op_batch_norm_grad(fx_op *op);
void fx_op_activation(fx_op *op);
void fx_op_activation_grad(fx_op *op);
void fx_op_sgd(fx_op *op);

// fx_register returns NULL or a message that the caller frees.
char *fx_register(const OrtApi *api, OrtSessionOptions *options);

#endif
