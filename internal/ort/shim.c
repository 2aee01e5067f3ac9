#include "shim.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// take turns a status into a message that the caller frees, and releases the status.
static char *take(const OrtApi *api, OrtStatus *s) {
  if (!s) return NULL;
  char *message = strdup(api->GetErrorMessage(s));
  api->ReleaseStatus(s);
  return message;
}

// copy_out moves a string of the default allocator into one that free() frees.
static char *copy_out(const OrtApi *api, OrtAllocator *allocator, char *from, char **to) {
  *to = strdup(from);
  return take(api, api->AllocatorFree(allocator, from));
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

char *fx_providers(const OrtApi *api, char **names) {
  char **list = NULL;
  int count = 0;
  char *message = take(api, api->GetAvailableProviders(&list, &count));
  if (message) return message;
  *names = NULL;
  for (int i = 0; i < count; i++) join(names, list[i], i == 0);
  return take(api, api->ReleaseAvailableProviders(list, count));
}

char *fx_cuda_options(const OrtApi *api, const OrtCUDAProviderOptionsV2 *options, char **text) {
  OrtAllocator *allocator = NULL;
  char *message = take(api, api->GetAllocatorWithDefaultOptions(&allocator));
  if (message) return message;
  char *list = NULL;
  message = take(api, api->GetCUDAProviderOptionsAsString(options, allocator, &list));
  return message ? message : copy_out(api, allocator, list, text);
}

char *fx_count(const OrtApi *api, const OrtSession *session, int output, size_t *count) {
  return take(api, (output ? api->SessionGetOutputCount : api->SessionGetInputCount)(session, count));
}

// shape_of reads element type and sizes of a tensor.
static char *shape_of(const OrtApi *api, const OrtTensorTypeAndShapeInfo *info, int32_t *dtype, size_t *rank,
                      int64_t **shape, char **symbols) {
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  char *message = take(api, api->GetTensorElementType(info, &type));
  *dtype = type;
  if (!message) message = take(api, api->GetDimensionsCount(info, rank));
  if (message || *rank == 0) return message;
  *shape = calloc(*rank, sizeof(int64_t));
  const char **texts = calloc(*rank, sizeof(char *));
  if (!*shape || !texts) {
    free(texts);
    return strdup("out of memory");
  }
  message = take(api, api->GetDimensions(info, *shape, *rank));
  if (!message) message = take(api, api->GetSymbolicDimensions(info, texts, *rank));
  for (size_t i = 0; !message && i < *rank; i++) join(symbols, texts[i] ? texts[i] : "", i == 0);
  free(texts);
  return message;
}

char *fx_describe(const OrtApi *api, const OrtSession *session, int output, size_t index, char **name, int32_t *dtype,
                  size_t *rank, int64_t **shape, char **symbols) {
  OrtAllocator *allocator = NULL;
  char *message = take(api, api->GetAllocatorWithDefaultOptions(&allocator));
  if (message) return message;
  char *text = NULL;
  message = take(api, (output ? api->SessionGetOutputName : api->SessionGetInputName)(session, index, allocator, &text));
  if (!message) message = copy_out(api, allocator, text, name);
  if (message) return message;

  OrtTypeInfo *type = NULL;
  message = take(api, (output ? api->SessionGetOutputTypeInfo : api->SessionGetInputTypeInfo)(session, index, &type));
  if (message) return message;
  const OrtTensorTypeAndShapeInfo *info = NULL; // belongs to type; NULL if it is no tensor
  message = take(api, api->CastTypeInfoToTensorInfo(type, &info));
  if (!message && info) message = shape_of(api, info, dtype, rank, shape, symbols);
  api->ReleaseTypeInfo(type);
  return message;
}

// wrap makes a value over the caller's memory.
static char *wrap(const OrtApi *api, const OrtMemoryInfo *memory, const fx_tensor *t, OrtValue **value) {
  return take(api, api->CreateTensorWithDataAsOrtValue(memory, t->data, t->bytes, t->shape, t->rank,
                                                       (ONNXTensorElementDataType)t->dtype, value));
}

// FLUSH are the bits with which operations take denormal operands for 0 and write 0 for denormal results.
#if defined(__x86_64__)
enum { FLUSH = 0x8040 };
uint64_t fx_float_mode(void) { return _mm_getcsr(); }
void fx_set_float_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
enum { FLUSH = 1 << 24 };
uint64_t fx_float_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void fx_set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
enum { FLUSH = 0 };
uint64_t fx_float_mode(void) { return 0; }
void fx_set_float_mode(uint64_t mode) { (void)mode; }
#endif

char *fx_run(const OrtApi *api, OrtSession *session, const OrtRunOptions *run_options, const char *const *input_names,
             fx_tensor *inputs, size_t input_count, const char *const *output_names, fx_tensor *outputs,
             size_t output_count) {
  OrtMemoryInfo *memory = NULL;
  char *message = take(api, api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  if (message) return message;
  OrtValue **values = calloc(input_count + output_count, sizeof(OrtValue *));
  if (!values) message = strdup("out of memory");
  for (size_t i = 0; !message && i < input_count; i++) message = wrap(api, memory, &inputs[i], &values[i]);
  for (size_t i = 0; !message && i < output_count; i++)
    if (outputs[i].data) message = wrap(api, memory, &outputs[i], &values[input_count + i]);
  const uint64_t mode = fx_float_mode();
  fx_set_float_mode(mode | FLUSH);
  if (!message)
    message = take(api, api->Run(session, run_options, input_names, (const OrtValue *const *)values, input_count,
                                 output_names, output_count, values + input_count));
  fx_set_float_mode(mode);
  for (size_t i = 0; values && i < input_count + output_count; i++) {
    if (!values[i]) continue;
    if (!message && i >= input_count && !outputs[i - input_count].data)
      outputs[i - input_count].value = values[i]; // now owned by the caller
    else
      api->ReleaseValue(values[i]);
  }
  free(values);
  api->ReleaseMemoryInfo(memory);
  return message;
}

char *fx_value(const OrtApi *api, OrtValue *value, int32_t *dtype, size_t *rank, int64_t *shape, size_t max_rank,
               void **data) {
  OrtTensorTypeAndShapeInfo *info = NULL;
  char *message = take(api, api->GetTensorTypeAndShape(value, &info));
  if (message) return message;
  int64_t *sizes = NULL;
  char *symbols = NULL;
  message = shape_of(api, info, dtype, rank, &sizes, &symbols);
  api->ReleaseTensorTypeAndShapeInfo(info);
  if (!message && *rank > max_rank) message = strdup("a tensor of too many dimensions");
  if (!message && *rank) memcpy(shape, sizes, *rank * sizeof(int64_t));
  free(sizes);
  free(symbols);
  return message ? message : take(api, api->GetTensorMutableData(value, data));
}

void fx_release_value(const OrtApi *api, OrtValue *value) { api->ReleaseValue(value); }

char *fx_new_value(const OrtApi *api, const int64_t *shape, size_t rank, int32_t dtype, OrtValue **value, void **data) {
  OrtAllocator *allocator = NULL; // owned by ONNX Runtime: not released
  char *message = take(api, api->GetAllocatorWithDefaultOptions(&allocator));
  if (!message)
    message = take(api, api->CreateTensorAsOrtValue(allocator, shape, rank, (ONNXTensorElementDataType)dtype, value));
  return message ? message : take(api, api->GetTensorMutableData(*value, data));
}

char *fx_wrap_value(const OrtApi *api, int gpu, void *data, size_t bytes, const int64_t *shape, size_t rank,
                    int32_t dtype, OrtValue **value) {
  OrtMemoryInfo *memory = NULL;
  OrtStatus *made = gpu < 0 ? api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory)
                            : api->CreateMemoryInfo("Cuda", OrtDeviceAllocator, gpu, OrtMemTypeDefault, &memory);
  char *message = take(api, made);
  if (message) return message;
  fx_tensor t = {data, bytes, (int64_t *)shape, rank, dtype, NULL};
  message = wrap(api, memory, &t, value);
  api->ReleaseMemoryInfo(memory);
  return message;
}

char *fx_configure_run(const OrtApi *api, OrtRunOptions *run_options, const char *key, const char *value) {
  return take(api, api->AddRunConfigEntry(run_options, key, value));
}

char *fx_assignment(const OrtApi *api, const OrtSession *session, char **lines) {
  const OrtEpAssignedSubgraph *const *parts = NULL;
  size_t part_count = 0;
  char *message = take(api, api->Session_GetEpGraphAssignmentInfo(session, &parts, &part_count));
  size_t room = 1, used = 0;
  *lines = calloc(1, room);
  for (size_t i = 0; !message && *lines && i < part_count; i++) {
    const char *text[4] = {0}; // provider, domain, op, name
    const OrtEpAssignedNode *const *nodes = NULL;
    size_t node_count = 0;
    message = take(api, api->EpAssignedSubgraph_GetEpName(parts[i], &text[0]));
    if (!message) message = take(api, api->EpAssignedSubgraph_GetNodes(parts[i], &nodes, &node_count));
    for (size_t j = 0; !message && j < node_count; j++) {
      message = take(api, api->EpAssignedNode_GetDomain(nodes[j], &text[1]));
      if (!message) message = take(api, api->EpAssignedNode_GetOperatorType(nodes[j], &text[2]));
      if (!message) message = take(api, api->EpAssignedNode_GetName(nodes[j], &text[3]));
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

char *fx_new_binding(const OrtApi *api, OrtSession *session, OrtIoBinding **binding) {
  return take(api, api->CreateIoBinding(session, binding));
}

char *fx_bind(const OrtApi *api, OrtIoBinding *binding, int output, const char *name, const OrtValue *value) {
  return take(api, (output ? api->BindOutput : api->BindInput)(binding, name, value));
}

char *fx_run_binding(const OrtApi *api, OrtSession *session, const OrtRunOptions *run_options,
                     const OrtIoBinding *binding) {
  const uint64_t mode = fx_float_mode();
  fx_set_float_mode(mode | FLUSH);
  char *message = take(api, api->RunWithBinding(session, run_options, binding));
  fx_set_float_mode(mode);
  return message;
}

void fx_release_binding(const OrtApi *api, OrtIoBinding *binding) { api->ReleaseIoBinding(binding); }
