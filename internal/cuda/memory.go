package cuda

/*
#include <stddef.h>
#include <stdint.h>

// Functions of the CUDA driver's C API for memory. The context is the one that ONNX Runtime works in, the device's
// primary one.
typedef struct {
  int (*retain)(void **context, int device);
  int (*set_current)(void *context);
  int (*new_stream)(void **stream, unsigned flags);
  int (*synchronize)(void *stream);
  int (*to_device)(uint64_t to, const void *from, size_t bytes, void *stream);
  int (*to_host)(void *to, uint64_t from, size_t bytes, void *stream);
  int (*within)(uint64_t to, uint64_t from, size_t bytes, void *stream);
  int (*fill)(uint64_t to, unsigned char value, size_t bytes, void *stream);
  int (*allocate)(uint64_t *p, size_t bytes);
  int (*release)(uint64_t p);
  int (*allocate_host)(void **p, size_t bytes);
  int (*release_host)(void *p);
} fx_copier;

enum { NonBlocking = 1 }; // the stream does not wait for the default one

static int fx_copier_open(const fx_copier *c, int device, void **context) {
  return c->retain(context, device);
}

static int fx_copier_stream(const fx_copier *c, void *context, void **stream) {
  int error = c->set_current(context);
  return error ? error : c->new_stream(stream, NonBlocking);
}

// fx_copier_copy copies from from to to, or sets to to zero if from is NULL.
static int fx_copier_copy(const fx_copier *c, void *context, void *stream, void *to, int to_host, const void *from,
                          int from_host, size_t bytes) {
  int error = c->set_current(context);
  if (error) return error;
  if (!from) return c->fill((uintptr_t)to, 0, bytes, stream);
  if (to_host) return c->to_host(to, (uintptr_t)from, bytes, stream);
  if (from_host) return c->to_device((uintptr_t)to, from, bytes, stream);
  return c->within((uintptr_t)to, (uintptr_t)from, bytes, stream);
}

static int fx_copier_wait(const fx_copier *c, void *context, void *stream) {
  int error = c->set_current(context);
  return error ? error : c->synchronize(stream);
}

static int fx_copier_allocate(const fx_copier *c, void *context, int host, size_t bytes, void **p) {
  int error = c->set_current(context);
  if (error) return error;
  if (host) return c->allocate_host(p, bytes);
  uint64_t at = 0;
  error = c->allocate(&at, bytes);
  *p = (void *)(uintptr_t)at;
  return error;
}

static int fx_copier_release(const fx_copier *c, void *context, int host, void *p) {
  int error = c->set_current(context);
  if (error) return error;
  return host ? c->release_host(p) : c->release((uintptr_t)p);
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// ONNX Runtime's C API copies between devices only as part of a run, so NVIDIA's driver copies values here, on fx's
// own streams. A run returns after ONNX Runtime's stream has finished, and Copy returns after its stream has, so
// neither sees partial results of the other.

// Memory is the memory of one GPU, and page-locked host memory for it.
type Memory struct {
	api     C.fx_copier
	context unsafe.Pointer // CUcontext
	mu      sync.Mutex
	streams []unsafe.Pointer // CUstream, not in use
}

var memories struct {
	sync.Mutex
	byGPU map[int]*Memory // for the life of the process, as the device's context is
}

// MemoryOf returns the memory of a GPU, counted from 0.
func MemoryOf(gpu int) (*Memory, error) {
	memories.Lock()
	defer memories.Unlock()
	if m := memories.byGPU[gpu]; m != nil {
		return m, nil
	}
	m := &Memory{}
	if err := openDriver(map[string]unsafe.Pointer{
		"cuDevicePrimaryCtxRetain": unsafe.Pointer(&m.api.retain),
		"cuCtxSetCurrent":          unsafe.Pointer(&m.api.set_current),
		"cuStreamCreate":           unsafe.Pointer(&m.api.new_stream),
		"cuStreamSynchronize":      unsafe.Pointer(&m.api.synchronize),
		"cuMemcpyHtoDAsync_v2":     unsafe.Pointer(&m.api.to_device),
		"cuMemcpyDtoHAsync_v2":     unsafe.Pointer(&m.api.to_host),
		"cuMemcpyDtoDAsync_v2":     unsafe.Pointer(&m.api.within), "cuMemsetD8Async": unsafe.Pointer(&m.api.fill),
		"cuMemAlloc_v2": unsafe.Pointer(&m.api.allocate), "cuMemFree_v2": unsafe.Pointer(&m.api.release),
		"cuMemAllocHost_v2": unsafe.Pointer(&m.api.allocate_host), "cuMemFreeHost": unsafe.Pointer(&m.api.release_host),
	}); err != nil {
		return nil, err
	}
	var code C.int
	KeepSignals(func() { code = C.fx_copier_open(&m.api, C.int(gpu), &m.context) })
	if code != 0 {
		return nil, driverError(code)
	}
	if memories.byGPU == nil {
		memories.byGPU = map[int]*Memory{}
	}
	memories.byGPU[gpu] = m
	return m, nil
}

// Allocate allocates memory on the GPU, or page-locked host memory, and returns its address and the function that
// frees it.
func (m *Memory) Allocate(host bool, bytes int) (at unsafe.Pointer, free func(), err error) {
	var where C.int
	if host {
		where = 1
	}
	BesideRecordings(func() {
		err = driverError(C.fx_copier_allocate(&m.api, m.context, where, C.size_t(max(bytes, 1)), &at))
	})
	if err != nil {
		return nil, nil, err
	}
	return at, func() { BesideRecordings(func() { C.fx_copier_release(&m.api, m.context, where, at) }) }, nil
}

// stream returns a stream that no other caller uses until giveBack.
func (m *Memory) stream() (unsafe.Pointer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := len(m.streams) - 1; last >= 0 {
		stream := m.streams[last]
		m.streams = m.streams[:last]
		return stream, nil
	}
	var stream unsafe.Pointer
	return stream, driverError(C.fx_copier_stream(&m.api, m.context, &stream))
}

func (m *Memory) giveBack(stream unsafe.Pointer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.streams = append(m.streams, stream)
}

// Span is a range of memory to copy, or to set to zero if From is nil.
type Span struct {
	To, From         unsafe.Pointer
	Bytes            int
	ToHost, FromHost bool // which of them is host memory
}

// Copy copies spans between the host and the GPU, or within the GPU. It returns when all are done.
func (m *Memory) Copy(spans []Span) (err error) {
	BesideRecordings(func() { err = m.copy(spans) })
	return err
}

func (m *Memory) copy(spans []Span) error {
	stream, err := m.stream()
	if err != nil {
		return err
	}
	defer m.giveBack(stream)
	var pinner runtime.Pinner // Go memory must not move until the copies are done
	defer pinner.Unpin()
	for _, s := range spans {
		if s.FromHost && s.From != nil {
			pinner.Pin(s.From)
		}
		if s.ToHost {
			pinner.Pin(s.To)
		}
		if err == nil {
			err = driverError(C.fx_copier_copy(&m.api, m.context, stream,
				s.To, truth(s.ToHost), s.From, truth(s.FromHost), C.size_t(s.Bytes)))
		}
	}
	if waited := driverError(C.fx_copier_wait(&m.api, m.context, stream)); err == nil {
		err = waited
	}
	return err
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func driverError(code C.int) error {
	switch code {
	case 0:
		return nil
	case 2:
		return fmt.Errorf("CUDA error 2: out of memory")
	}
	return fmt.Errorf("CUDA error %d", int(code))
}
