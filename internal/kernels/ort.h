// The little of ONNX Runtime's C API that an op of one's own needs. Functions
// are known by their position in the table, which only grows at its end.
#ifndef FX_KERNELS_ORT_H
#define FX_KERNELS_ORT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

typedef const void *const *fx_table; // OrtApi
typedef void *fx_status;             // OrtStatus, NULL where all is well

enum { FX_FLOAT = 1, FX_UINT8 = 2 }; // ONNXTensorElementDataType

// fx_op describes an op: OrtCustomOp of API version 24, and what fx adds.
typedef struct fx_op fx_op;
struct fx_op {
  uint32_t version;
  void *(*create_kernel)(const fx_op *, fx_table, const void *info);
  const char *(*get_name)(const fx_op *);
  const char *(*get_provider)(const fx_op *);
  int (*get_input_type)(const fx_op *, size_t);
  size_t (*get_input_count)(const fx_op *);
  int (*get_output_type)(const fx_op *, size_t);
  size_t (*get_output_count)(const fx_op *);
  void (*compute)(void *kernel, void *context);
  void (*destroy_kernel)(void *kernel);
  int (*get_input_kind)(const fx_op *, size_t);
  int (*get_output_kind)(const fx_op *, size_t);
  int (*get_input_memory)(const fx_op *, size_t);
  int (*get_variadic_input_arity)(const fx_op *);
  int (*get_variadic_input_homogeneity)(const fx_op *);
  int (*get_variadic_output_arity)(const fx_op *);
  int (*get_variadic_output_homogeneity)(const fx_op *);
  fx_status (*create_kernel_v2)(const fx_op *, fx_table, const void *info, void **kernel);
  fx_status (*compute_v2)(void *kernel, void *context);
  fx_status (*infer_shape)(const fx_op *, void *);
  int (*get_start_version)(const fx_op *);
  int (*get_end_version)(const fx_op *);
  size_t (*get_may_inplace)(int **inputs, int **outputs);
  void (*release_may_inplace)(int *inputs, int *outputs);
  size_t (*get_alias_map)(int **inputs, int **outputs);
  void (*release_alias_map)(int *inputs, int *outputs);

  const char *name;
  const char *inputs,
      *outputs; // a letter each: f float, b uint8, v any number of floats; upper case where it may be left out
};

// fx_define fills in what all ops share.
void fx_define(fx_op *op, const char *name, const char *inputs, const char *outputs,
               fx_status (*create)(const fx_op *, fx_table, const void *, void **),
               fx_status (*compute)(void *, void *));

// fx_first_in_place lets the first output take the first input's memory.
void fx_first_in_place(fx_op *op);

// What every kernel begins with.
typedef struct {
  fx_table api;
  const fx_isa *isa;
} fx_kernel;

// fx_new_kernel makes the memory of a kernel, zero but for its fx_kernel.
void *fx_new_kernel(fx_table api, size_t size);

// An attribute: absent ones are left as they are.
void fx_int(fx_table api, const void *info, const char *name, int64_t *value);
void fx_float(fx_table api, const void *info, const char *name, float *value);
fx_status fx_floats(fx_table api, const void *info, const char *name, size_t count,
                    float **values); // the caller frees
void fx_ints(fx_table api, const void *info, const char *name, int64_t *values, size_t count);

// A tensor of a run: data is NULL where it was left out. dims beyond rank are 1.
enum { FX_RANK = 8 };
typedef struct {
  void *data;
  int64_t dims[FX_RANK];
  size_t rank;
  int64_t count;
} fx_tensor_view;

fx_status fx_input(fx_table api, void *context, size_t i, fx_tensor_view *t);
fx_status fx_output(fx_table api, void *context, size_t i, const int64_t *dims, size_t rank, fx_tensor_view *t);
fx_status fx_error(fx_table api, const char *text);

// fx_parallel calls job(data, i) for i in [0, count) on the session's threads.
fx_status fx_parallel(fx_table api, void *context, void (*job)(void *, size_t), size_t count, void *data);

// fx_scratch returns memory of the calling thread, good until its next call.
void *fx_scratch(size_t bytes);

// fx_aligned returns the first boundary of 64 bytes in memory with 64 bytes to spare.
static inline float *fx_aligned(void *memory) { return (float *)(((uintptr_t)memory + 63) / 64 * 64); }

// fx_alloc returns memory for a job, or NULL; fx_free returns it to the pool,
// and keeps one piece for the next job: fresh pages would cost more than the work.
void *fx_alloc(size_t bytes);
void fx_free(void *memory);

#define FX_TRY(call)                                                                                                   \
  do {                                                                                                                 \
    fx_status try_status = (call);                                                                                     \
    if (try_status) return try_status;                                                                                 \
  } while (0)

// The ops, one for each op_*.c; fx_register adds them all to session options.
void fx_op_conv_weight_grad(fx_op *op);
void fx_op_conv3x3(fx_op *op);
void fx_op_conv_tiles(fx_op *op);
void fx_op_max_pool(fx_op *op);
void fx_op_max_pool_grad(fx_op *op);
void fx_op_sum_pool_grad(fx_op *op);
void fx_op_batch_norm(fx_op *op);
void fx_op_batch_norm_grad(fx_op *op);
void fx_op_relu_grad(fx_op *op);
void fx_op_sgd(fx_op *op);

// fx_register returns NULL or a message that the caller frees.
char *fx_register(fx_table api, void *session_options);

#endif
