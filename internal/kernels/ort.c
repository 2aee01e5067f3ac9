#include "ort.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Positions in OrtApi, as counted in onnxruntime_c_api.h of API version 24.
enum {
  CreateStatus = 0,
  GetErrorMessage = 2,
  CreateCustomOpDomain = 26,
  CustomOpDomain_Add = 27,
  AddCustomOpDomain = 28,
  GetTensorMutableData = 51,
  GetDimensionsCount = 61,
  GetDimensions = 62,
  GetTensorTypeAndShape = 65,
  KernelInfoGetAttribute_float = 85,
  KernelInfoGetAttribute_int64 = 86,
  KernelContext_GetInput = 90,
  KernelContext_GetOutput = 91,
  ReleaseStatus = 93,
  ReleaseTensorTypeAndShapeInfo = 99,
  KernelInfoGetAttributeArray_float = 162,
  KernelInfoGetAttributeArray_int64 = 163,
  KernelContext_ParallelFor = 274,
};

enum { API_VERSION = 24, ORT_FAIL = 1, REQUIRED = 0, OPTIONAL = 1, VARIADIC = 2 };

static const char *get_name(const fx_op *op) { return op->name; }
static const char *get_provider(const fx_op *op) { return "CPUExecutionProvider"; }
static int type_of(char letter) { return tolower(letter) == 'b' ? FX_UINT8 : FX_FLOAT; }
static int get_input_type(const fx_op *op, size_t i) { return type_of(op->inputs[i]); }
static int get_output_type(const fx_op *op, size_t i) { return type_of(op->outputs[i]); }
static size_t get_input_count(const fx_op *op) { return strlen(op->inputs); }
static size_t get_output_count(const fx_op *op) { return strlen(op->outputs); }
static int kind_of(char letter) { return letter == 'v' ? VARIADIC : isupper(letter) ? OPTIONAL : REQUIRED; }
static int get_input_kind(const fx_op *op, size_t i) { return kind_of(op->inputs[i]); }
static int get_output_kind(const fx_op *op, size_t i) { return kind_of(op->outputs[i]); }
static int get_input_memory(const fx_op *op, size_t i) { return 0; }
static int one(const fx_op *op) { return 1; }
static void destroy_kernel(void *kernel) { free(kernel); }

void fx_define(fx_op *op, const char *name, const char *inputs, const char *outputs,
               fx_status (*create)(const fx_op *, fx_table, const void *, void **),
               fx_status (*compute)(void *, void *)) {
  *op = (fx_op){
      .version = API_VERSION,
      .get_name = get_name,
      .get_provider = get_provider,
      .get_input_type = get_input_type,
      .get_input_count = get_input_count,
      .get_output_type = get_output_type,
      .get_output_count = get_output_count,
      .destroy_kernel = destroy_kernel,
      .get_input_kind = get_input_kind,
      .get_output_kind = get_output_kind,
      .get_input_memory = get_input_memory,
      .get_variadic_input_arity = one,
      .get_variadic_input_homogeneity = one,
      .get_variadic_output_arity = one,
      .get_variadic_output_homogeneity = one,
      .create_kernel_v2 = create,
      .compute_v2 = compute,
      .get_start_version = one,
      .get_end_version = one,
      .name = name,
      .inputs = inputs,
      .outputs = outputs,
  };
}

static size_t first_in_place(int **inputs, int **outputs) {
  *inputs = calloc(1, sizeof **inputs);
  *outputs = calloc(1, sizeof **outputs);
  return *inputs && *outputs ? 1 : 0;
}
static void release_in_place(int *inputs, int *outputs) {
  free(inputs);
  free(outputs);
}
void fx_first_in_place(fx_op *op) { op->get_may_inplace = first_in_place, op->release_may_inplace = release_in_place; }

void *fx_new_kernel(fx_table api, size_t size) {
  fx_kernel *k = calloc(1, size);
  if (k) k->api = api, k->isa = fx_best_isa();
  return k;
}

static void ignore(fx_table api, fx_status s) {
  if (s) ((void (*)(fx_status))api[ReleaseStatus])(s);
}

void fx_int(fx_table api, const void *info, const char *name, int64_t *value) {
  int64_t found;
  fx_status s =
      ((fx_status (*)(const void *, const char *, int64_t *))api[KernelInfoGetAttribute_int64])(info, name, &found);
  if (!s) *value = found;
  ignore(api, s);
}

void fx_float(fx_table api, const void *info, const char *name, float *value) {
  float found;
  fx_status s =
      ((fx_status (*)(const void *, const char *, float *))api[KernelInfoGetAttribute_float])(info, name, &found);
  if (!s) *value = found;
  ignore(api, s);
}

fx_status fx_floats(fx_table api, const void *info, const char *name, size_t count, float **values) {
  typedef fx_status (*get)(const void *, const char *, float *, size_t *);
  size_t size = 0;
  *values = NULL;
  fx_status s = ((get)api[KernelInfoGetAttributeArray_float])(info, name, NULL, &size);
  if (s || size == 0) {
    ignore(api, s);
    return NULL;
  }
  if (size != count) return fx_error(api, "a list of numbers of another length than the parameters");
  *values = malloc(size * sizeof **values);
  if (!*values) return fx_error(api, "out of memory");
  return ((get)api[KernelInfoGetAttributeArray_float])(info, name, *values, &size);
}

void fx_ints(fx_table api, const void *info, const char *name, int64_t *values, size_t count) {
  int64_t found[FX_RANK];
  size_t size = FX_RANK;
  fx_status s = ((fx_status (*)(const void *, const char *, int64_t *,
                                size_t *))api[KernelInfoGetAttributeArray_int64])(info, name, found, &size);
  if (!s && size >= count) memcpy(values, found, count * sizeof *values);
  ignore(api, s);
}

static fx_status view(fx_table api, void *value, fx_tensor_view *t) {
  FX_TRY(((fx_status (*)(void *, void **))api[GetTensorMutableData])(value, &t->data));
  void *info = NULL;
  FX_TRY(((fx_status (*)(const void *, void **))api[GetTensorTypeAndShape])(value, &info));
  fx_status s = ((fx_status (*)(const void *, size_t *))api[GetDimensionsCount])(info, &t->rank);
  if (!s && t->rank > FX_RANK) s = fx_error(api, "a tensor of more than 8 axes");
  if (!s) s = ((fx_status (*)(const void *, int64_t *, size_t))api[GetDimensions])(info, t->dims, t->rank);
  ((void (*)(void *))api[ReleaseTensorTypeAndShapeInfo])(info);
  if (s) return s;
  t->count = 1;
  for (size_t i = 0; i < t->rank; i++) t->count *= t->dims[i];
  for (size_t i = t->rank; i < FX_RANK; i++) t->dims[i] = 1;
  return NULL;
}

fx_status fx_input(fx_table api, void *context, size_t i, fx_tensor_view *t) {
  const void *value = NULL;
  *t = (fx_tensor_view){0};
  FX_TRY(((fx_status (*)(const void *, size_t, const void **))api[KernelContext_GetInput])(context, i, &value));
  return value ? view(api, (void *)value, t) : NULL;
}

fx_status fx_output(fx_table api, void *context, size_t i, const int64_t *dims, size_t rank, fx_tensor_view *t) {
  void *value = NULL;
  *t = (fx_tensor_view){0};
  FX_TRY(((fx_status (*)(void *, size_t, const int64_t *, size_t, void **))api[KernelContext_GetOutput])(
      context, i, dims, rank, &value));
  return value ? view(api, value, t) : NULL;
}

fx_status fx_error(fx_table api, const char *text) {
  return ((fx_status (*)(int, const char *))api[CreateStatus])(ORT_FAIL, text);
}

fx_status fx_parallel(fx_table api, void *context, void (*job)(void *, size_t), size_t count, void *data) {
  return ((fx_status (*)(const void *, void (*)(void *, size_t), size_t, size_t,
                         void *))api[KernelContext_ParallelFor])(context, job, count, 0, data);
}

// Each thread keeps one piece of memory, freed when the thread ends.
typedef struct {
  size_t bytes;
  void *memory;
} scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void free_scratch(void *data) {
  free(((scratch *)data)->memory);
  free(data);
}
static void make_scratch_key(void) { pthread_key_create(&scratch_key, free_scratch); }

void *fx_scratch(size_t bytes) {
  pthread_once(&scratch_once, make_scratch_key);
  scratch *s = pthread_getspecific(scratch_key);
  if (!s) {
    s = calloc(1, sizeof *s);
    if (!s || pthread_setspecific(scratch_key, s)) abort();
  }
  if (s->bytes < bytes) {
    free(s->memory);
    s->memory = malloc(bytes);
    if (!s->memory) abort(); // a job in ONNX Runtime's pool has no way to fail
    s->bytes = bytes;
  }
  return s->memory;
}

static struct {
  pthread_mutex_t lock;
  size_t bytes;
  void *memory;
  int taken;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *fx_alloc(size_t bytes) {
  pthread_mutex_lock(&kept.lock);
  void *memory = NULL;
  if (kept.taken) {
    memory = malloc(bytes); // of another session's job
  } else {
    if (kept.bytes < bytes) {
      free(kept.memory);
      kept.memory = malloc(bytes);
      kept.bytes = kept.memory ? bytes : 0;
    }
    memory = kept.memory, kept.taken = memory != NULL;
  }
  pthread_mutex_unlock(&kept.lock);
  return memory;
}

void fx_free(void *memory) {
  pthread_mutex_lock(&kept.lock);
  if (memory == kept.memory)
    kept.taken = 0;
  else
    free(memory);
  pthread_mutex_unlock(&kept.lock);
}

// The domain and its ops live as long as the process: sessions refer to them.
static struct {
  pthread_mutex_t lock;
  void *domain;
  fx_op ops[10];
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static fx_status make_domain(fx_table api) {
  static void (*const define[])(fx_op *) = {
      fx_op_conv_weight_grad, fx_op_conv3x3,    fx_op_conv_tiles,      fx_op_max_pool,  fx_op_max_pool_grad,
      fx_op_sum_pool_grad,    fx_op_batch_norm, fx_op_batch_norm_grad, fx_op_relu_grad, fx_op_sgd,
  };
  void *domain = NULL;
  FX_TRY(((fx_status (*)(const char *, void **))api[CreateCustomOpDomain])("fx", &domain));
  for (size_t i = 0; i < sizeof define / sizeof *define; i++) {
    define[i](&registry.ops[i]);
    FX_TRY(((fx_status (*)(void *, const fx_op *))api[CustomOpDomain_Add])(domain, &registry.ops[i]));
  }
  registry.domain = domain;
  return NULL;
}

char *fx_register(fx_table api, void *session_options) {
  pthread_mutex_lock(&registry.lock);
  fx_status s = registry.domain ? NULL : make_domain(api);
  pthread_mutex_unlock(&registry.lock);
  if (!s) s = ((fx_status (*)(void *, void *))api[AddCustomOpDomain])(session_options, registry.domain);
  if (!s) return NULL;
  char *message = strdup(((const char *(*)(fx_status))api[GetErrorMessage])(s));
  ignore(api, s);
  return message;
}
