#include "shim.h"

#include <stdlib.h>
#include <string.h>

// Positions in OrtApi, as counted in onnxruntime_c_api.h of API version 24.
enum {
  GetErrorCode = 1,
  GetErrorMessage = 2,
  Run = 9,
  SessionGetInputCount = 30,
  SessionGetOutputCount = 31,
  SessionGetInputTypeInfo = 33,
  SessionGetOutputTypeInfo = 34,
  SessionGetInputName = 36,
  SessionGetOutputName = 37,
  CreateTensorAsOrtValue = 48,
  CreateTensorWithDataAsOrtValue = 49,
  GetTensorMutableData = 51,
  CastTypeInfoToTensorInfo = 55,
  GetTensorElementType = 60,
  GetDimensionsCount = 61,
  GetDimensions = 62,
  GetSymbolicDimensions = 63,
  GetTensorTypeAndShape = 65,
  CreateMemoryInfo = 68,
  CreateCpuMemoryInfo = 69,
  AllocatorFree = 76,
  GetAllocatorWithDefaultOptions = 78,
  ReleaseStatus = 93,
  ReleaseMemoryInfo = 94,
  ReleaseValue = 96,
  ReleaseTypeInfo = 98,
  ReleaseTensorTypeAndShapeInfo = 99,
  GetAvailableProviders = 125,
  ReleaseAvailableProviders = 126,
  RunWithBinding = 133,
  CreateIoBinding = 134,
  ReleaseIoBinding = 135,
  BindInput = 136,
  BindOutput = 137,
  AddRunConfigEntry = 165,
  GetCUDAProviderOptionsAsString = 207,
  Session_GetEpGraphAssignmentInfo = 407, // from here on since API version 24
  EpAssignedSubgraph_GetEpName = 408,
  EpAssignedSubgraph_GetNodes = 409,
  EpAssignedNode_GetName = 410,
  EpAssignedNode_GetDomain = 411,
  EpAssignedNode_GetOperatorType = 412,
};

enum { DeviceAllocator = 0, ArenaAllocator = 1, MemTypeDefault = 0 };

typedef void *status;

// OrtApiBase: the one exported struct of the library.
typedef struct {
  fx_api (*get_api)(uint32_t version);
  const char *(*get_version)(void);
} api_base;

const char *fx_base_version(void *get_api_base) {
  const api_base *base = ((const api_base *(*)(void))get_api_base)();
  return base ? base->get_version() : NULL;
}

fx_api fx_base_api(void *get_api_base, uint32_t version) {
  const api_base *base = ((const api_base *(*)(void))get_api_base)();
  return base ? base->get_api(version) : NULL;
}

// take turns a status into a message of the caller's and releases it.
static char *take(fx_api api, status s, int *code) {
  if (!s) return NULL;
  *code = ((int (*)(status))api[GetErrorCode])(s);
  char *message = strdup(((const char *(*)(status))api[GetErrorMessage])(s));
  ((void (*)(status))api[ReleaseStatus])(s);
  return message;
}

static char *default_allocator(fx_api api, void **allocator, int *code) {
  return take(api, ((status(*)(void **))api[GetAllocatorWithDefaultOptions])(allocator), code);
}

// copy_out moves a string of the default allocator into one that free() frees.
static char *copy_out(fx_api api, void *allocator, char *from, char **to, int *code) {
  *to = strdup(from);
  return take(api, ((status(*)(void *, void *))api[AllocatorFree])(allocator, from), code);
}

// join appends '\n' and text to *list.
static void join(char **list, const char *text, int first) {
  size_t had = *list ? strlen(*list) : 0;
  char *longer = realloc(*list, had + strlen(text) + 2);
  if (!longer) return;
  if (!first) longer[had++] = '\n';
  strcpy(longer + had, text);
  *list = longer;
}

char *fx_providers(fx_api api, char **names, int *code) {
  char **list = NULL;
  int count = 0;
  char *message =
      take(api, ((status(*)(char ***, int *))api[GetAvailableProviders])(&list, &count), code);
  if (message) return message;
  *names = NULL;
  for (int i = 0; i < count; i++) join(names, list[i], i == 0);
  return take(api, ((status(*)(char **, int))api[ReleaseAvailableProviders])(list, count), code);
}

char *fx_cuda_options(fx_api api, const void *options, char **text, int *code) {
  void *allocator = NULL;
  char *message = default_allocator(api, &allocator, code);
  if (message) return message;
  char *list = NULL;
  message = take(api,
                 ((status(*)(const void *, void *, char **))api[GetCUDAProviderOptionsAsString])(
                     options, allocator, &list),
                 code);
  if (message) return message;
  return copy_out(api, allocator, list, text, code);
}

char *fx_count(fx_api api, const void *session, int output, size_t *count, int *code) {
  int position = output ? SessionGetOutputCount : SessionGetInputCount;
  return take(api, ((status(*)(const void *, size_t *))api[position])(session, count), code);
}

// shape_of reads element type and sizes of an OrtTensorTypeAndShapeInfo.
static char *shape_of(fx_api api, const void *info, int32_t *dtype, size_t *rank, int64_t **shape,
                      char **symbols, int *code) {
  char *message = take(
      api, ((status(*)(const void *, int32_t *))api[GetTensorElementType])(info, dtype), code);
  if (message) return message;
  message =
      take(api, ((status(*)(const void *, size_t *))api[GetDimensionsCount])(info, rank), code);
  if (message || *rank == 0) return message;
  *shape = calloc(*rank, sizeof(int64_t));
  const char **texts = calloc(*rank, sizeof(char *));
  if (!*shape || !texts) {
    free(texts);
    return strdup("out of memory");
  }
  message = take(
      api, ((status(*)(const void *, int64_t *, size_t))api[GetDimensions])(info, *shape, *rank),
      code);
  if (!message)
    message = take(api,
                   ((status(*)(const void *, const char **, size_t))api[GetSymbolicDimensions])(
                       info, texts, *rank),
                   code);
  for (size_t i = 0; !message && i < *rank; i++) join(symbols, texts[i] ? texts[i] : "", i == 0);
  free(texts);
  return message;
}

char *fx_describe(fx_api api, const void *session, int output, size_t index, char **name,
                  int32_t *dtype, size_t *rank, int64_t **shape, char **symbols, int *code) {
  void *allocator = NULL;
  char *message = default_allocator(api, &allocator, code);
  if (message) return message;
  char *text = NULL;
  int position = output ? SessionGetOutputName : SessionGetInputName;
  message = take(
      api,
      ((status(*)(const void *, size_t, void *, char **))api[position])(session, index, allocator, &text),
      code);
  if (!message) message = copy_out(api, allocator, text, name, code);
  if (message) return message;

  void *type = NULL;
  position = output ? SessionGetOutputTypeInfo : SessionGetInputTypeInfo;
  message =
      take(api, ((status(*)(const void *, size_t, void **))api[position])(session, index, &type), code);
  if (message) return message;
  const void *info = NULL; // belongs to type; NULL where it is no tensor
  message = take(
      api, ((status(*)(const void *, const void **))api[CastTypeInfoToTensorInfo])(type, &info), code);
  if (!message && info) message = shape_of(api, info, dtype, rank, shape, symbols, code);
  ((void (*)(void *))api[ReleaseTypeInfo])(type);
  return message;
}

// wrap makes a value over the caller's memory.
static char *wrap(fx_api api, const void *memory, const fx_tensor *t, void **value, int *code) {
  return take(api,
              ((status(*)(const void *, void *, size_t, const int64_t *, size_t, int32_t,
                          void **))api[CreateTensorWithDataAsOrtValue])(
                  memory, t->data, t->bytes, t->shape, t->rank, t->dtype, value),
              code);
}

char *fx_run(fx_api api, void *session, const void *run_options, const char *const *input_names,
             fx_tensor *inputs, size_t input_count, const char *const *output_names,
             fx_tensor *outputs, size_t output_count, int *code) {
  void *memory = NULL;
  char *message = take(api,
                       ((status(*)(int, int, void **))api[CreateCpuMemoryInfo])(
                           ArenaAllocator, MemTypeDefault, &memory),
                       code);
  if (message) return message;
  void **values = calloc(input_count + output_count, sizeof(void *));
  if (!values) message = strdup("out of memory");
  for (size_t i = 0; !message && i < input_count; i++)
    message = wrap(api, memory, &inputs[i], &values[i], code);
  for (size_t i = 0; !message && i < output_count; i++)
    if (outputs[i].data) message = wrap(api, memory, &outputs[i], &values[input_count + i], code);
  if (!message)
    message = take(
        api,
        ((status(*)(void *, const void *, const char *const *, const void *const *, size_t,
                    const char *const *, size_t, void **))api[Run])(
            session, run_options, input_names, (const void *const *)values, input_count,
            output_names, output_count, values + input_count),
        code);
  for (size_t i = 0; values && i < input_count + output_count; i++) {
    if (!values[i]) continue;
    if (!message && i >= input_count && !outputs[i - input_count].data)
      outputs[i - input_count].value = values[i]; // the caller's now
    else
      fx_release_value(api, values[i]);
  }
  free(values);
  ((void (*)(void *))api[ReleaseMemoryInfo])(memory);
  return message;
}

char *fx_value(fx_api api, void *value, int32_t *dtype, size_t *rank, int64_t *shape,
               size_t max_rank, void **data, int *code) {
  void *info = NULL;
  char *message = take(
      api, ((status(*)(const void *, void **))api[GetTensorTypeAndShape])(value, &info), code);
  if (message) return message;
  int64_t *sizes = NULL;
  char *symbols = NULL;
  message = shape_of(api, info, dtype, rank, &sizes, &symbols, code);
  ((void (*)(void *))api[ReleaseTensorTypeAndShapeInfo])(info);
  if (!message && *rank > max_rank) message = strdup("a tensor of too many dimensions");
  if (!message && *rank) memcpy(shape, sizes, *rank * sizeof(int64_t));
  free(sizes);
  free(symbols);
  if (message) return message;
  return take(api, ((status(*)(void *, void **))api[GetTensorMutableData])(value, data), code);
}

void fx_release_value(fx_api api, void *value) { ((void (*)(void *))api[ReleaseValue])(value); }

char *fx_new_value(fx_api api, const int64_t *shape, size_t rank, int32_t dtype, void **value,
                   void **data, int *code) {
  void *allocator = NULL; // ONNX Runtime's own: it is not released
  char *message = default_allocator(api, &allocator, code);
  if (message) return message;
  message = take(
      api,
      ((status(*)(void *, const int64_t *, size_t, int32_t, void **))api[CreateTensorAsOrtValue])(
          allocator, shape, rank, dtype, value),
      code);
  if (message) return message;
  return take(api, ((status(*)(void *, void **))api[GetTensorMutableData])(*value, data), code);
}

char *fx_wrap_value(fx_api api, int gpu, void *data, size_t bytes, const int64_t *shape,
                    size_t rank, int32_t dtype, void **value, int *code) {
  void *memory = NULL;
  char *message;
  if (gpu < 0)
    message = take(api,
                   ((status(*)(int, int, void **))api[CreateCpuMemoryInfo])(
                       DeviceAllocator, MemTypeDefault, &memory),
                   code);
  else
    message = take(api,
                   ((status(*)(const char *, int, int, int, void **))api[CreateMemoryInfo])(
                       "Cuda", DeviceAllocator, gpu, MemTypeDefault, &memory),
                   code);
  if (message) return message;
  fx_tensor t = {data, bytes, (int64_t *)shape, rank, dtype, NULL};
  message = wrap(api, memory, &t, value, code);
  ((void (*)(void *))api[ReleaseMemoryInfo])(memory);
  return message;
}

char *fx_configure_run(fx_api api, void *run_options, const char *key, const char *value,
                       int *code) {
  return take(api,
              ((status(*)(void *, const char *, const char *))api[AddRunConfigEntry])(
                  run_options, key, value),
              code);
}

// text_of calls a function that tells a property of an assigned node or subgraph.
static char *text_of(fx_api api, int position, const void *of, const char **text, int *code) {
  return take(api, ((status(*)(const void *, const char **))api[position])(of, text), code);
}

char *fx_assignment(fx_api api, const void *session, char **lines, int *code) {
  const void *const *parts = NULL;
  size_t part_count = 0;
  char *message =
      take(api,
           ((status(*)(const void *, const void *const **, size_t *))
                api[Session_GetEpGraphAssignmentInfo])(session, &parts, &part_count),
           code);
  size_t room = 1, used = 0;
  *lines = calloc(1, room);
  for (size_t i = 0; !message && *lines && i < part_count; i++) {
    const char *text[4] = {0}; // provider, domain, op, name
    const void *const *nodes = NULL;
    size_t node_count = 0;
    message = text_of(api, EpAssignedSubgraph_GetEpName, parts[i], &text[0], code);
    if (!message)
      message = take(api,
                     ((status(*)(const void *, const void *const **, size_t *))
                          api[EpAssignedSubgraph_GetNodes])(parts[i], &nodes, &node_count),
                     code);
    for (size_t j = 0; !message && j < node_count; j++) {
      message = text_of(api, EpAssignedNode_GetDomain, nodes[j], &text[1], code);
      if (!message)
        message = text_of(api, EpAssignedNode_GetOperatorType, nodes[j], &text[2], code);
      if (!message) message = text_of(api, EpAssignedNode_GetName, nodes[j], &text[3], code);
      if (message) break;
      size_t length = 4;
      for (int k = 0; k < 4; k++) length += strlen(text[k]);
      if (used + length + 1 > room) {
        room = 2 * (used + length + 1);
        char *longer = realloc(*lines, room);
        if (!longer) return strdup("out of memory");
        *lines = longer;
      }
      for (int k = 0; k < 4; k++) {
        size_t n = strlen(text[k]);
        memcpy(*lines + used, text[k], n);
        used += n;
        (*lines)[used++] = k < 3 ? '\t' : '\n';
      }
      (*lines)[used] = 0;
    }
  }
  return message;
}

char *fx_new_binding(fx_api api, void *session, void **binding, int *code) {
  return take(api, ((status(*)(void *, void **))api[CreateIoBinding])(session, binding), code);
}

char *fx_bind(fx_api api, void *binding, int output, const char *name, const void *value, int *code) {
  int position = output ? BindOutput : BindInput;
  return take(
      api, ((status(*)(void *, const char *, const void *))api[position])(binding, name, value), code);
}

char *fx_run_binding(fx_api api, void *session, const void *run_options, const void *binding,
                     int *code) {
  return take(api,
              ((status(*)(void *, const void *, const void *))api[RunWithBinding])(
                  session, run_options, binding),
              code);
}

void fx_release_binding(fx_api api, void *binding) {
  ((void (*)(void *))api[ReleaseIoBinding])(binding);
}
