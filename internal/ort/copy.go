package ort

/*
#include <stddef.h>
#include <stdint.h>

// Functions of the CUDA driver's C API for memory. The context is the
// one that ONNX Runtime works in, the device's primary one.
typedef struct {
  int (*retain)(void **context, int device);
  int (*set_current)(void *context);
  int (*new_stream)(void **stream, unsigned flags);
  int (*synchronize)(void *stream);
  int (*to_device)(uint64_t to, const void *from, size_t bytes, void *stream);
  int (*to_host)(void *to, uint64_t from, size_t bytes, void *stream);
  int (*within)(uint64_t to, uint64_t from, size_t bytes, void *stream);
  int (*fill)(uint64_t to, unsigned char value, size_t bytes, void *stream);
  int (*memory)(size_t *free, size_t *total);
  int (*allocate)(uint64_t *p, size_t bytes);
  int (*release)(uint64_t p);
  int (*allocate_host)(void **p, size_t bytes);
  int (*release_host)(void *p);
} fx_copier;

enum { ToDevice, ToHost, Within, Zeros };
enum { NonBlocking = 1 }; // the stream does not wait for the default one

static int fx_copier_open(const fx_copier *c, int device, void **context) {
  return c->retain(context, device);
}

static int fx_copier_stream(const fx_copier *c, void *context, void **stream) {
  int error = c->set_current(context);
  return error ? error : c->new_stream(stream, NonBlocking);
}

static int fx_copier_copy(const fx_copier *c, void *context, void *stream, void *to, const void *from,
                          size_t bytes, int direction) {
  int error = c->set_current(context);
  if (error) return error;
  switch (direction) {
  case ToDevice: return c->to_device((uintptr_t)to, from, bytes, stream);
  case ToHost: return c->to_host(to, (uintptr_t)from, bytes, stream);
  case Zeros: return c->fill((uintptr_t)to, 0, bytes, stream);
  default: return c->within((uintptr_t)to, (uintptr_t)from, bytes, stream);
  }
}

static int fx_copier_wait(const fx_copier *c, void *context, void *stream) {
  int error = c->set_current(context);
  return error ? error : c->synchronize(stream);
}

static int fx_copier_memory(const fx_copier *c, void *context, size_t *free, size_t *total) {
  int error = c->set_current(context);
  return error ? error : c->memory(free, total);
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

	"fx/internal/fail"
)

// ONNX Runtime's C API copies between devices only as part of a run, so values
// are copied by NVIDIA's driver itself, on streams of fx's own. ONNX Runtime has
// waited for its own stream when a run returns, and a copy is waited for before
// it counts as done, so that neither sees the other half done.

// copier copies to and from one GPU, and takes its memory.
type copier struct {
	api     C.fx_copier
	context unsafe.Pointer // CUcontext
	mu      sync.Mutex
	streams []unsafe.Pointer // CUstream, not in use
}

var copiers struct {
	sync.Mutex
	byGPU map[int]*copier // for the life of the process, as the device's context is
}

// copierOf returns the copier of a GPU.
func copierOf(gpu int) (*copier, error) {
	copiers.Lock()
	defer copiers.Unlock()
	if c := copiers.byGPU[gpu]; c != nil {
		return c, nil
	}
	driver, err := openShared(driverName(), false) // stays open
	if err != nil {
		return nil, err
	}
	c := &copier{}
	for name, to := range map[string]unsafe.Pointer{
		"cuDevicePrimaryCtxRetain": unsafe.Pointer(&c.api.retain), "cuCtxSetCurrent": unsafe.Pointer(&c.api.set_current),
		"cuStreamCreate": unsafe.Pointer(&c.api.new_stream), "cuStreamSynchronize": unsafe.Pointer(&c.api.synchronize),
		"cuMemcpyHtoDAsync_v2": unsafe.Pointer(&c.api.to_device), "cuMemcpyDtoHAsync_v2": unsafe.Pointer(&c.api.to_host),
		"cuMemcpyDtoDAsync_v2": unsafe.Pointer(&c.api.within), "cuMemGetInfo_v2": unsafe.Pointer(&c.api.memory),
		"cuMemsetD8Async": unsafe.Pointer(&c.api.fill), "cuMemAlloc_v2": unsafe.Pointer(&c.api.allocate), "cuMemFree_v2": unsafe.Pointer(&c.api.release),
		"cuMemAllocHost_v2": unsafe.Pointer(&c.api.allocate_host), "cuMemFreeHost": unsafe.Pointer(&c.api.release_host),
	} {
		at := driver.symbol(name)
		if at == nil {
			return nil, fmt.Errorf("the NVIDIA driver's %s lacks %s", driverName(), name)
		}
		*(*unsafe.Pointer)(to) = at
	}
	var code C.int
	keepSignals(true, func() { code = C.fx_copier_open(&c.api, C.int(gpu), &c.context) })
	if code != 0 {
		return nil, driverError(code)
	}
	if copiers.byGPU == nil {
		copiers.byGPU = map[int]*copier{}
	}
	copiers.byGPU[gpu] = c
	return c, nil
}

// allocate takes memory on the GPU, or page-locked memory of the host's, and
// returns what frees it.
func (c *copier) allocate(host bool, bytes int) (at unsafe.Pointer, free func(), err error) {
	var where C.int
	if host {
		where = 1
	}
	besideCaptures(func() {
		err = driverError(C.fx_copier_allocate(&c.api, c.context, where, C.size_t(max(bytes, 1)), &at))
	})
	if err != nil {
		return nil, nil, err
	}
	return at, func() { besideCaptures(func() { C.fx_copier_release(&c.api, c.context, where, at) }) }, nil
}

// stream hands out a stream that nobody else uses until it is given back.
func (c *copier) stream() (unsafe.Pointer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.streams) - 1; last >= 0 {
		stream := c.streams[last]
		c.streams = c.streams[:last]
		return stream, nil
	}
	var stream unsafe.Pointer
	return stream, driverError(C.fx_copier_stream(&c.api, c.context, &stream))
}

func (c *copier) giveBack(stream unsafe.Pointer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams = append(c.streams, stream)
}

// span is one stretch of memory to copy, or to clear where from is nil.
type span struct {
	to, from  unsafe.Pointer
	bytes     int
	direction C.int
}

const zeros = C.int(C.Zeros)

func direction(toHost, fromHost bool) C.int {
	switch {
	case toHost:
		return C.ToHost
	case fromHost:
		return C.ToDevice
	}
	return C.Within
}

// copySpans copies between the host and the session's GPU, or within it.
func (s *Session) copySpans(spans []span) error {
	if len(spans) == 0 {
		return nil
	}
	c, err := copierOf(s.placed.device.ID)
	if err == nil {
		besideCaptures(func() { err = c.copy(spans) })
	}
	if err != nil {
		return s.explain(err, "copying to or from %s", s.placed.device)
	}
	return nil
}

func (c *copier) copy(spans []span) error {
	stream, err := c.stream()
	if err != nil {
		return err
	}
	defer c.giveBack(stream)
	var pinner runtime.Pinner // memory of Go's must stay until the copies are done
	defer pinner.Unpin()
	for _, s := range spans {
		switch s.direction {
		case C.ToDevice:
			pinner.Pin(s.from)
		case C.ToHost:
			pinner.Pin(s.to)
		}
		if err == nil {
			err = driverError(C.fx_copier_copy(&c.api, c.context, stream, s.to, s.from, C.size_t(s.bytes), s.direction))
		}
	}
	if waited := driverError(C.fx_copier_wait(&c.api, c.context, stream)); err == nil {
		err = waited
	}
	return err
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

// DeviceMemory returns the bytes of the GPU that the session runs on, and how
// many of them nobody holds. It is an error of kind fail.Device on the CPU.
func (s *Session) DeviceMemory() (free, total int64, err error) {
	if !s.placed.cuda {
		return 0, 0, fail.New(fail.Device, "", "the session runs on %s", s.placed.device)
	}
	c, err := copierOf(s.placed.device.ID)
	if err != nil {
		return 0, 0, err
	}
	var f, t C.size_t
	besideCaptures(func() { err = driverError(C.fx_copier_memory(&c.api, c.context, &f, &t)) })
	return int64(f), int64(t), err
}
