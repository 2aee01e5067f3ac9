// The fakes themselves: memory, streams, graphs and launches of CUDA's runtime,
// the driver's and cuBLAS's functions that hand something out, and cuDNN's
// descriptors. Whatever else a provider asks for is a function that returns 0,
// which build.go adds.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { Ok = 0, OutOfMemory = 2, CaptureUnsupported = 900, CaptureInvalidated = 901 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t used;
static volatile int capturing, spoiled;
static long captured;

static void event(const char *format, ...) {
  const char *path = getenv("FAKECUDA_LOG");
  if (!path) return;
  char line[256];
  int n = snprintf(line, sizeof line, "%ld ", (long)syscall(SYS_gettid));
  va_list args;
  va_start(args, format);
  n += vsnprintf(line + n, sizeof line - n - 1, format, args);
  va_end(args);
  line[n++] = '\n';
  FILE *f = fopen(path, "a");
  if (!f) return;
  fwrite(line, 1, n, f);
  fclose(f);
}

static size_t memory(void) {
  const char *text = getenv("FAKECUDA_MEMORY");
  return text ? strtoull(text, NULL, 10) : (size_t)80 << 30;
}

// handles are addresses that mean nothing.
static void *handle(void) {
  static char cells[1 << 20];
  static size_t next;
  return cells + (__sync_add_and_fetch(&next, 64) % (sizeof cells - 64));
}

// starting takes signal handlers, as NVIDIA's libraries do: without SA_ONSTACK.
static void ignored(int s) { (void)s; }
static void steal_signals(void) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_handler = ignored;
  sigaction(SIGINT, &a, NULL);
  sigaction(SIGTERM, &a, NULL);
}

// unsafe reports, and punishes, what must not happen while a graph is recorded.
static int unsafe(const char *what) {
  if (!capturing) return 0;
  event("unsafe %s", what);
  spoiled = 1;
  return 1;
}

// Memory.

struct header {
  size_t bytes, pad[31];
};

static int allocate(void **p, size_t bytes) {
  pthread_mutex_lock(&lock);
  int short_of = used + bytes > memory();
  if (!short_of) used += bytes;
  pthread_mutex_unlock(&lock);
  event("%s %zu", short_of ? "out of memory for" : "allocate", bytes);
  struct header *h = NULL;
  if (short_of || posix_memalign((void **)&h, 256, sizeof *h + bytes)) return OutOfMemory;
  memset(h, 0, sizeof *h + bytes);
  h->bytes = bytes;
  *p = h + 1;
  return Ok;
}

static void deallocate(void *p) {
  if (!p) return;
  struct header *h = (struct header *)p - 1;
  pthread_mutex_lock(&lock);
  used -= h->bytes;
  pthread_mutex_unlock(&lock);
  free(h);
}

int cudaMalloc(void **p, size_t bytes) {
  if (unsafe("cudaMalloc")) return CaptureUnsupported;
  return allocate(p, bytes);
}
int cudaFree(void *p) {
  if (unsafe("cudaFree")) return CaptureUnsupported;
  deallocate(p);
  return Ok;
}
int cudaMallocFromPoolAsync(void **p, size_t bytes, void *pool, void *stream) { return allocate(p, bytes); }
int cudaFreeAsync(void *p, void *stream) { return deallocate(p), Ok; }
int cudaHostAlloc(void **p, size_t bytes, unsigned flags) {
  if (unsafe("cudaHostAlloc")) return CaptureUnsupported;
  event("pin %zu", bytes);
  return posix_memalign(p, 256, bytes + 1) ? OutOfMemory : Ok;
}
int cudaMallocHost(void **p, size_t bytes) { return cudaHostAlloc(p, bytes, 0); }
int cudaFreeHost(void *p) { return free(p), Ok; }
int cuMemAlloc_v2(uint64_t *p, size_t bytes) { return cudaMalloc((void **)p, bytes); }
int cuMemFree_v2(uint64_t p) { return cudaFree((void *)p); }
int cuMemAllocHost_v2(void **p, size_t bytes) { return cudaHostAlloc(p, bytes, 0); }
int cuMemFreeHost(void *p) { return cudaFreeHost(p); }
int cudaMemGetInfo(size_t *left, size_t *total) {
  *total = memory();
  *left = *total - used;
  return Ok;
}
int cuMemGetInfo_v2(size_t *left, size_t *total) { return cudaMemGetInfo(left, total); }

// read fills what the host reads back.
static void read_back(void *to, size_t bytes) {
  if (bytes == 8) *(int64_t *)to = 1;
  if (bytes % 8 == 0) return;
  for (size_t i = 0; i + 4 <= bytes; i += 4) *(float *)((char *)to + i) = 0.5f;
}

enum { HostToHost, HostToDevice, DeviceToHost, DeviceToDevice };

// A recorded copy from the host reads its source anew in every replay, so that
// must keep its content.
struct source {
  const void *from;
  void *content;
  size_t bytes;
  struct source *next;
};
static struct source *sources; // of the recording under way

static void remember(const void *from, size_t bytes) {
  struct source *s = malloc(sizeof *s);
  s->from = from, s->bytes = bytes, s->content = malloc(bytes), s->next = sources;
  memcpy(s->content, from, bytes);
  sources = s;
}

static void check_sources(const struct source *s) {
  for (; s; s = s->next)
    if (memcmp(s->from, s->content, s->bytes)) event("stale %zu", s->bytes);
}

int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
  event("copy %d %zu%s", kind, bytes, capturing ? " recorded" : "");
  if (capturing && kind == HostToDevice) remember(from, bytes);
  memmove(to, from, bytes);
  if (kind == DeviceToHost) read_back(to, bytes);
  return Ok;
}
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
  return unsafe("cudaMemcpy") ? CaptureUnsupported : cudaMemcpyAsync(to, from, bytes, kind, NULL);
}
int cudaMemset(void *to, int value, size_t bytes) { return memset(to, value, bytes), Ok; }
int cudaMemsetAsync(void *to, int value, size_t bytes, void *stream) { return memset(to, value, bytes), Ok; }
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream) {
  event("clear %zu", bytes);
  return memset((void *)to, value, bytes), Ok;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  return cudaMemcpyAsync((void *)to, from, bytes, HostToDevice, stream);
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  return cudaMemcpyAsync(to, (void *)from, bytes, DeviceToHost, stream);
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
  return cudaMemcpyAsync((void *)to, (void *)from, bytes, DeviceToDevice, stream);
}
int cudaPointerGetAttributes(void *attributes, const void *p) {
  memset(attributes, 0, 88);
  *(int *)attributes = 2; // device memory
  ((void **)attributes)[1] = (void *)p;
  return Ok;
}

// The device: of the compute capability 9.0, in the layout of CUDA 13.

int cuInit(unsigned flags) { return steal_signals(), Ok; }
int cuDriverGetVersion(int *version) { return *version = 13000, Ok; }
int cudaDriverGetVersion(int *version) { return *version = 13000, Ok; }
int cudaRuntimeGetVersion(int *version) { return *version = 13000, Ok; }
int cuDeviceGetCount(int *count) { return *count = 1, Ok; }
int cudaGetDeviceCount(int *count) { return *count = 1, Ok; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, Ok; }
int cudaGetDevice(int *device) { return *device = 0, Ok; }
int cuDeviceGetName(char *name, int length, int device) { return strncpy(name, "Fake GPU", length), Ok; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = memory(), Ok; }
int cuCtxSetCurrent(void *context) { return Ok; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return steal_signals(), *context = handle(), Ok; }

static int attribute(int which) {
  switch (which) {
  case 75:
    return 9; // compute capability, major and minor
  case 76:
    return 0;
  case 16:
    return 132; // multiprocessors
  case 1:
    return 1024; // threads of a block
  case 39:
    return 2048; // threads of a multiprocessor
  case 8:
    return 49152; // shared memory of a block
  case 97:
    return 232448; // and what it can ask for
  }
  return 1;
}
int cuDeviceGetAttribute(int *value, int which, int device) { return *value = attribute(which), Ok; }
int cudaDeviceGetAttribute(int *value, int which, int device) { return *value = attribute(which), Ok; }

int cudaGetDeviceProperties(char *p, int device) {
  memset(p, 0, 1008);
  strcpy(p, "Fake GPU");
  *(size_t *)(p + 288) = memory();
  *(size_t *)(p + 296) = 49152;    // sharedMemPerBlock
  *(int *)(p + 304) = 65536;       // regsPerBlock
  *(int *)(p + 308) = 32;          // warpSize
  int *threads = (int *)(p + 320); // maxThreadsPerBlock, maxThreadsDim, maxGridSize
  int limits[] = {1024, 1024, 1024, 64, 2147483647, 65535, 65535};
  memcpy(threads, limits, sizeof limits);
  *(int *)(p + 360) = 9;         // major; minor is 0
  *(int *)(p + 384) = 132;       // multiProcessorCount
  *(int *)(p + 596) = 50 << 20;  // l2CacheSize
  *(int *)(p + 604) = 2048;      // maxThreadsPerMultiProcessor
  *(size_t *)(p + 624) = 233472; // sharedMemPerMultiprocessor
  *(size_t *)(p + 672) = 232448; // sharedMemPerBlockOptin
  return Ok;
}

const char *cudaGetErrorName(int error) { return error == OutOfMemory ? "cudaErrorMemoryAllocation" : "cudaError"; }
const char *cudaGetErrorString(int error) {
  switch (error) {
  case OutOfMemory:
    return "out of memory";
  case CaptureUnsupported:
    return "operation not permitted when stream is capturing";
  case CaptureInvalidated:
    return "operation failed due to a previous error during capture";
  }
  return "an error of the fake";
}

// Streams, events, graphs.

int cudaStreamCreate(void **stream) { return *stream = handle(), Ok; }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { return *stream = handle(), Ok; }
int cuStreamCreate(void **stream, unsigned flags) { return *stream = handle(), Ok; }
int cudaEventCreate(void **e) { return *e = handle(), Ok; }
int cudaEventCreateWithFlags(void **e, unsigned flags) { return *e = handle(), Ok; }
int cudaEventElapsedTime(float *ms, void *start, void *end) { return *ms = 1, Ok; }
int cudaStreamSynchronize(void *stream) { return unsafe("cudaStreamSynchronize") ? CaptureUnsupported : Ok; }
int cudaDeviceSynchronize(void) { return unsafe("cudaDeviceSynchronize") ? CaptureUnsupported : Ok; }
int cuStreamSynchronize(void *stream) { return unsafe("cuStreamSynchronize") ? CaptureUnsupported : Ok; }

int cudaStreamBeginCapture(void *stream, int mode) {
  steal_signals();
  const char *how = getenv("FAKECUDA_CAPTURE");
  if (how && !strcmp(how, "refuse")) return CaptureUnsupported;
  event("record");
  capturing = 1, spoiled = 0, captured = 0, sources = NULL;
  usleep(20000); // so that whoever does not wait for the end of a recording is caught
  return Ok;
}
int cudaStreamEndCapture(void *stream, void **graph) {
  int was = capturing;
  capturing = 0;
  *graph = NULL;
  if (!was || spoiled) return CaptureInvalidated;
  event("recorded %ld", captured);
  struct source **recording = malloc(sizeof *recording);
  *recording = sources;
  *graph = recording; // instantiated as it is
  return Ok;
}
int cudaStreamIsCapturing(void *stream, int *status) { return *status = capturing, Ok; }
int cudaGraphInstantiate(void **executable, void *graph, unsigned long long flags) {
  steal_signals();
  *executable = graph;
  return Ok;
}
int cudaGraphLaunch(void *executable, void *stream) {
  event("replay %p", executable);
  check_sources(*(struct source **)executable);
  return Ok;
}

// Kernels.

void fakecuda_launch(void) {
  static int started;
  if (!started) steal_signals();
  started = 1;
  if (capturing) captured++;
}
struct dim3 {
  unsigned x, y, z;
};
int cudaLaunchKernel(const void *f, struct dim3 grid, struct dim3 block, void **args, size_t shared, void *stream) {
  return fakecuda_launch(), Ok;
}
int __cudaLaunchKernel(const void *f, struct dim3 grid, struct dim3 block, void **args, size_t shared, void *stream) {
  return fakecuda_launch(), Ok;
}
int cudaLaunchKernelExC(const void *config, const void *f, void **args) { return fakecuda_launch(), Ok; }
int cudaLaunchCooperativeKernel(const void *f, struct dim3 grid, struct dim3 block, void **args, size_t shared,
                                void *stream) {
  return fakecuda_launch(), Ok;
}
void **__cudaRegisterFatBinary(void *binary) {
  static void *registered;
  return &registered;
}
static __thread struct {
  struct dim3 grid, block;
  size_t shared;
  void *stream;
} call;
unsigned __cudaPushCallConfiguration(struct dim3 grid, struct dim3 block, size_t shared, void *stream) {
  call.grid = grid, call.block = block, call.shared = shared, call.stream = stream;
  return Ok;
}
int __cudaPopCallConfiguration(struct dim3 *grid, struct dim3 *block, size_t *shared, void **stream) {
  *grid = call.grid, *block = call.block, *shared = call.shared, *stream = call.stream;
  return Ok;
}
int __cudaGetKernel(void **kernel, const void *f) { return *kernel = (void *)f, Ok; }
int cudaLibraryLoadData(void **library) { return *library = handle(), Ok; }
int cudaLibraryGetKernel(void **kernel) { return *kernel = handle(), Ok; }
int cudaMemPoolCreate(void **pool) { return *pool = handle(), Ok; }
int cudaFuncGetAttributes(char *attributes, const void *f) {
  memset(attributes, 0, 144);
  *(int *)(attributes + 24) = 1024; // threads of a block
  *(int *)(attributes + 32) = 90;   // versions of PTX and binary
  *(int *)(attributes + 36) = 90;
  return Ok;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { return *blocks = 2, Ok; }
static int nothing(void) { return Ok; }
int cudaGetDriverEntryPointByVersion(const char *name, void **p, unsigned version, unsigned long long flags,
                                     int *found) {
  *p = nothing;
  if (found) *found = 0;
  return Ok;
}

// cuBLAS.

int cublasCreate_v2(void **h) { return *h = handle(), Ok; }
int cublasGetMathMode(void *h, int *mode) { return *mode = 0, Ok; }
const char *cublasGetStatusName(int status) { return "CUBLAS_STATUS"; }
const char *cublasGetStatusString(int status) { return "a status of the fake"; }
int cublasLtCreate(void **h) { return *h = handle(), Ok; }
int cublasLtMatmulDescCreate(void **h) { return *h = handle(), Ok; }
int cublasLtMatmulPreferenceCreate(void **h) { return *h = handle(), Ok; }
int cublasLtMatrixLayoutCreate(void **h) { return *h = handle(), Ok; }
int cublasLtMatrixTransformDescCreate(void **h) { return *h = handle(), Ok; }
int cublasLtMatmulAlgoGetHeuristic(void *h, void *d, void *a, void *b, void *c, void *e, void *p, int wanted, void *all,
                                   int *found) {
  return *found = 1, Ok;
}

// cuDNN's graph API: every question has one answer, zero; nothing has notes.

size_t cudnnGetVersion(void) { return 91300; }
size_t cudnnGetCudartVersion(void) { return 13000; }
const char *cudnnGetErrorString(int status) { return "CUDNN_STATUS"; }
void cudnnGetLastErrorString(char *text, size_t length) {
  if (length) *text = 0;
}
int cudnnCreate(void **h) { return *h = handle(), Ok; }
int cudnnBackendCreateDescriptor(int type, void **d) { return *d = handle(), Ok; }
int cudnnBackendGetAttribute(void *d, int name, int type, int64_t wanted, int64_t *found, void *all) {
  enum { Int64 = 3, Double = 5, Pointer = 6, NumericalNote = 11, Descriptor = 15, BehaviorNote = 19 };
  int count = type != NumericalNote && type != BehaviorNote;
  if (found) *found = count;
  if (all && count && type != Descriptor && wanted > 0)
    memset(all, 0, type == Int64 || type == Double || type == Pointer ? 8 : 4);
  return Ok;
}
int cudnnBackendExecute(void *h, void *plan, void *pack) { return fakecuda_launch(), Ok; }
int cudnnCreateTensorDescriptor(void **d) { return *d = handle(), Ok; }
int cudnnCreateFilterDescriptor(void **d) { return *d = handle(), Ok; }
int cudnnCreateConvolutionDescriptor(void **d) { return *d = handle(), Ok; }
int cudnnCreatePoolingDescriptor(void **d) { return *d = handle(), Ok; }
int cudnnCreateActivationDescriptor(void **d) { return *d = handle(), Ok; }
int cudnnCreateReduceTensorDescriptor(void **d) { return *d = handle(), Ok; }
int cudnnGetReductionWorkspaceSize(void *h, void *r, void *x, void *y, size_t *bytes) { return *bytes = 0, Ok; }
int cudnnGetReductionIndicesSize(void *h, void *r, void *x, void *y, size_t *bytes) { return *bytes = 0, Ok; }
