// What yalue/onnxruntime_go lacks, in C, with ONNX Runtime's table of functions.
#ifndef FX_ORT_SHIM_H
#define FX_ORT_SHIM_H

#include "onnxruntime_c_api.h"

// Every function that can fail returns NULL or a message that the caller frees.

// fx_tensor is a tensor over the caller's data. ONNX Runtime allocates an output with data == NULL, and fx_run sets
// value.
typedef struct {
  void *data;
  size_t bytes;
  int64_t *shape;
  size_t rank;
  int32_t dtype;   // ONNX's element types: 1 float, 2 uint8, …
  OrtValue *value; // OrtValue of an output that ONNX Runtime allocated
} fx_tensor;

// fx_providers joins the names of the providers compiled into the library by '\n'.
char *fx_providers(const OrtApi *api, char **names);

// fx_cuda_options returns the options in an OrtCUDAProviderOptionsV2 as "key=value;…".
char *fx_cuda_options(const OrtApi *api, const OrtCUDAProviderOptionsV2 *options, char **text);

// fx_count counts inputs (output == 0) or outputs of a session.
char *fx_count(const OrtApi *api, const OrtSession *session, int output, size_t *count);

// fx_describe describes one input or output: its name, element type (0 if it is no tensor), rank, sizes (-1: not
// fixed) and, joined by '\n', the names of symbolic sizes. The caller frees name, shape and symbols.
char *fx_describe(const OrtApi *api, const OrtSession *session, int output, size_t index, char **name, int32_t *dtype,
                  size_t *rank, int64_t **shape, char **symbols);

// fx_run runs the session once. Data and shapes are only used during the call. Meanwhile the calling thread takes
// denormal numbers for 0, as it does in fx_run_binding.
char *fx_run(const OrtApi *api, OrtSession *session, const OrtRunOptions *run_options, const char *const *input_names,
             fx_tensor *inputs, size_t input_count, const char *const *output_names, fx_tensor *outputs,
             size_t output_count);

// fx_float_mode returns the calling thread's register of rounding and of denormal numbers, fx_set_float_mode sets it.
uint64_t fx_float_mode(void);
void fx_set_float_mode(uint64_t mode);

// fx_value reads type, shape and address of the data of a value in host memory.
char *fx_value(const OrtApi *api, OrtValue *value, int32_t *dtype, size_t *rank, int64_t *shape, size_t max_rank,
               void **data);

// fx_release_value frees a value that fx_run or fx_new_value allocated.
void fx_release_value(const OrtApi *api, OrtValue *value);

// fx_new_value makes an uninitialised value in ordinary host memory.
char *fx_new_value(const OrtApi *api, const int64_t *shape, size_t rank, int32_t dtype, OrtValue **value, void **data);

// fx_wrap_value makes a value over memory on a GPU, or on the host if gpu < 0. The caller frees that memory after the
// value.
char *fx_wrap_value(const OrtApi *api, int gpu, void *data, size_t bytes, const int64_t *shape, size_t rank,
                    int32_t dtype, OrtValue **value);

// fx_configure_run sets an entry of run options.
char *fx_configure_run(const OrtApi *api, OrtRunOptions *run_options, const char *key, const char *value);

// fx_assignment lists the session's nodes as lines "provider\tdomain\top\tname".
char *fx_assignment(const OrtApi *api, const OrtSession *session, char **lines);

// fx_new_binding makes a list of the values that a run reads and writes; the
// caller frees it with fx_release_binding before the session.
char *fx_new_binding(const OrtApi *api, OrtSession *session, OrtIoBinding **binding);
char *fx_bind(const OrtApi *api, OrtIoBinding *binding, int output, const char *name, const OrtValue *value);
char *fx_run_binding(const OrtApi *api, OrtSession *session, const OrtRunOptions *run_options,
                     const OrtIoBinding *binding);
void fx_release_binding(const OrtApi *api, OrtIoBinding *binding);

#endif
