#include "ort.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const fx_op *of(const OrtCustomOp *op) { return (const fx_op *)op; }
static const char *get_name(const OrtCustomOp *op) { return of(op)->name; }
static const char *get_provider(const OrtCustomOp *op) { return "CPUExecutionProvider"; }
static ONNXTensorElementDataType type_of(char letter) {
  return tolower(letter) == 'b' ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}
static ONNXTensorElementDataType get_input_type(const OrtCustomOp *op, size_t i) { return type_of(of(op)->inputs[i]); }
static ONNXTensorElementDataType get_output_type(const OrtCustomOp *op, size_t i) {
  return type_of(of(op)->outputs[i]);
}
static size_t get_input_count(const OrtCustomOp *op) { return strlen(of(op)->inputs); }
static size_t get_output_count(const OrtCustomOp *op) { return strlen(of(op)->outputs); }
static OrtCustomOpInputOutputCharacteristic kind_of(char letter) {
  return letter == 'v' ? INPUT_OUTPUT_VARIADIC : isupper(letter) ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
}
static OrtCustomOpInputOutputCharacteristic get_input_kind(const OrtCustomOp *op, size_t i) {
  return kind_of(of(op)->inputs[i]);
}
static OrtCustomOpInputOutputCharacteristic get_output_kind(const OrtCustomOp *op, size_t i) {
  return kind_of(of(op)->outputs[i]);
}
static OrtMemType get_input_memory(const OrtCustomOp *op, size_t i) { return OrtMemTypeDefault; }
static int one(const OrtCustomOp *op) { return 1; }
static void destroy_kernel(void *kernel) { free(kernel); }

void fx_define(fx_op *op, const char *name, const char *inputs, const char *outputs, fx_create create,
               fx_compute compute) {
  *op = (fx_op){.name = name, .inputs = inputs, .outputs = outputs};
  op->base = (OrtCustomOp){
      .version = ORT_API_VERSION,
      .GetName = get_name,
      .GetExecutionProviderType = get_provider,
      .GetInputType = get_input_type,
      .GetInputTypeCount = get_input_count,
      .GetOutputType = get_output_type,
      .GetOutputTypeCount = get_output_count,
      .KernelDestroy = destroy_kernel,
      .GetInputCharacteristic = get_input_kind,
      .GetOutputCharacteristic = get_output_kind,
      .GetInputMemoryType = get_input_memory,
      .GetVariadicInputMinArity = one,
      .GetVariadicInputHomogeneity = one,
      .GetVariadicOutputMinArity = one,
      .GetVariadicOutputHomogeneity = one,
      .CreateKernelV2 = create,
      .KernelComputeV2 = compute,
      .GetStartVersion = one,
      .GetEndVersion = one,
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
void fx_first_in_place(fx_op *op) {
  op->base.GetMayInplace = first_in_place, op->base.ReleaseMayInplace = release_in_place;
}

void *fx_new_kernel(const OrtApi *api, size_t size) {
  fx_kernel *k = calloc(1, size);
  if (k) k->api = api, k->isa = fx_best_isa();
  return k;
}

static void ignore(const OrtApi *api, OrtStatus *s) {
  if (s) api->ReleaseStatus(s);
}

void fx_int(const OrtApi *api, const OrtKernelInfo *info, const char *name, int64_t *value) {
  int64_t found;
  OrtStatus *s = api->KernelInfoGetAttribute_int64(info, name, &found);
  if (!s) *value = found;
  ignore(api, s);
}

void fx_float(const OrtApi *api, const OrtKernelInfo *info, const char *name, float *value) {
  float found;
  OrtStatus *s = api->KernelInfoGetAttribute_float(info, name, &found);
  if (!s) *value = found;
  ignore(api, s);
}

OrtStatus *fx_floats(const OrtApi *api, const OrtKernelInfo *info, const char *name, size_t count, float **values) {
  size_t size = 0;
  *values = NULL;
  OrtStatus *s = api->KernelInfoGetAttributeArray_float(info, name, NULL, &size);
  if (s || size == 0) {
    ignore(api, s);
    return NULL;
  }
  if (size != count) return fx_error(api, "a list of numbers of another length than the parameters");
  *values = malloc(size * sizeof **values);
  if (!*values) return fx_error(api, "out of memory");
  return api->KernelInfoGetAttributeArray_float(info, name, *values, &size);
}

void fx_ints(const OrtApi *api, const OrtKernelInfo *info, const char *name, int64_t *values, size_t count) {
  int64_t found[FX_RANK];
  size_t size = FX_RANK;
  OrtStatus *s = api->KernelInfoGetAttributeArray_int64(info, name, found, &size);
  if (!s && size >= count) memcpy(values, found, count * sizeof *values);
  ignore(api, s);
}

void fx_read_activation(const OrtApi *api, const OrtKernelInfo *info, fx_activation *f) {
  int64_t kind = FX_IDENTITY;
  *f = (fx_activation){.scale = 1};
  fx_int(api, info, "activation", &kind);
  fx_float(api, info, "a", &f->a);
  fx_float(api, info, "b", &f->b);
  f->kind = (fx_activation_kind)kind;
}

static OrtStatus *view(const OrtApi *api, OrtValue *value, fx_tensor_view *t) {
  FX_TRY(api->GetTensorMutableData(value, &t->data));
  OrtTensorTypeAndShapeInfo *info = NULL;
  FX_TRY(api->GetTensorTypeAndShape(value, &info));
  OrtStatus *s = api->GetDimensionsCount(info, &t->rank);
  if (!s && t->rank > FX_RANK) s = fx_error(api, "a tensor of more than 8 axes");
  if (!s) s = api->GetDimensions(info, t->dims, t->rank);
  api->ReleaseTensorTypeAndShapeInfo(info);
  if (s) return s;
  t->count = 1;
  for (size_t i = 0; i < t->rank; i++) t->count *= t->dims[i];
  for (size_t i = t->rank; i < FX_RANK; i++) t->dims[i] = 1;
  return NULL;
}

OrtStatus *fx_input(const OrtApi *api, OrtKernelContext *context, size_t i, fx_tensor_view *t) {
  const OrtValue *value = NULL;
  *t = (fx_tensor_view){0};
  FX_TRY(api->KernelContext_GetInput(context, i, &value));
  return value ? view(api, (OrtValue *)value, t) : NULL;
}

OrtStatus *fx_output(const OrtApi *api, OrtKernelContext *context, size_t i, const int64_t *dims, size_t rank,
                     fx_tensor_view *t) {
  OrtValue *value = NULL;
  *t = (fx_tensor_view){0};
  FX_TRY(api->KernelContext_GetOutput(context, i, dims, rank, &value));
  return value ? view(api, value, t) : NULL;
}

OrtStatus *fx_error(const OrtApi *api, const char *text) { return api->CreateStatus(ORT_FAIL, text); }

OrtStatus *fx_parallel(const OrtApi *api, OrtKernelContext *context, void (*job)(void *, size_t), size_t count,
                       void *data) {
  return api->KernelContext_ParallelFor(context, job, count, 0, data);
}

// Each thread keeps one block of memory, freed when the thread ends.
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
    if (!s->memory) abort(); // a job in ONNX Runtime's pool can't report an error
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

// The domain and its ops live as long as the process, because sessions refer to them.
static struct {
  pthread_mutex_t lock;
  OrtCustomOpDomain *domain;
  fx_op ops[12];
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static OrtStatus *make_domain(const OrtApi *api) {
  static void (*const define[])(fx_op *) = {
      fx_op_conv_weight_grad, fx_op_conv3x3,       fx_op_conv_tiles,      fx_op_depthwise_conv,
      fx_op_max_pool,         fx_op_max_pool_grad, fx_op_sum_pool_grad,   fx_op_batch_norm,
      fx_op_batch_norm_grad,  fx_op_activation,    fx_op_activation_grad, fx_op_sgd,
  };
  OrtCustomOpDomain *domain = NULL;
  FX_TRY(api->CreateCustomOpDomain("fx", &domain));
  for (size_t i = 0; i < sizeof define / sizeof *define; i++) {
    define[i](&registry.ops[i]);
    FX_TRY(api->CustomOpDomain_Add(domain, &registry.ops[i].base));
  }
  registry.domain = domain;
  return NULL;
}

char *fx_register(const OrtApi *api, OrtSessionOptions *options) {
  pthread_mutex_lock(&registry.lock);
  OrtStatus *s = registry.domain ? NULL : make_domain(api);
  pthread_mutex_unlock(&registry.lock);
  if (!s) s = api->AddCustomOpDomain(options, registry.domain);
  if (!s) return NULL;
  char *message = strdup(api->GetErrorMessage(s));
  ignore(api, s);
  return message;
}
