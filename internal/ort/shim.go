package ort

/*
#cgo CFLAGS: -I${SRCDIR}/../ortapi -Werror=incompatible-pointer-types
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"fx/internal/ortapi"
)

// api is ONNX Runtime's table of functions.
type api struct{ table *C.OrtApi }

// newAPI returns the table of the library with the symbol OrtGetApiBase, nil if the library is too old.
func newAPI(getAPIBase unsafe.Pointer) api { return api{(*C.OrtApi)(ortapi.Table(getAPIBase))} }

// Objects of ONNX Runtime.
type (
	ortSession = C.OrtSession
	ortValue   = C.OrtValue
	ortBinding = C.OrtIoBinding
)

// take turns a message of the shim into an error and frees it.
func take(message *C.char) error {
	if message == nil {
		return nil
	}
	return errors.New(takeString(message))
}

func takeString(text *C.char) string {
	if text == nil {
		return ""
	}
	defer C.free(unsafe.Pointer(text))
	return C.GoString(text)
}

// providers returns the names of the providers that are compiled into the library.
func (a api) providers() ([]string, error) {
	var names *C.char
	if err := take(C.fx_providers(a.table, &names)); err != nil {
		return nil, err
	}
	return strings.Split(takeString(names), "\n"), nil
}

// cudaOptions returns the options in an OrtCUDAProviderOptionsV2.
func (a api) cudaOptions(options unsafe.Pointer) (map[string]string, error) {
	var text *C.char
	if err := take(C.fx_cuda_options(a.table, (*C.OrtCUDAProviderOptionsV2)(options), &text)); err != nil {
		return nil, err
	}
	return splitOptions(takeString(text)), nil
}

// splitOptions parses "key=value;key=value".
func splitOptions(text string) map[string]string {
	all := map[string]string{}
	for _, pair := range strings.Split(text, ";") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			all[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return all
}

// describe returns the inputs or the outputs of an OrtSession.
func (a api) describe(session *ortSession, outputs bool) ([]Info, error) {
	var which C.int
	if outputs {
		which = 1
	}
	var count C.size_t
	if err := take(C.fx_count(a.table, session, which, &count)); err != nil {
		return nil, err
	}
	all := make([]Info, int(count))
	for i := range all {
		if err := a.describeOne(session, which, i, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (a api) describeOne(session *ortSession, which C.int, i int, info *Info) error {
	var name, symbols *C.char
	var dtype C.int32_t
	var rank C.size_t
	var shape *C.int64_t
	message := C.fx_describe(a.table, session, which, C.size_t(i), &name, &dtype, &rank, &shape, &symbols)
	info.Name, info.DType = takeString(name), DType(dtype)
	names := takeString(symbols)
	if shape != nil {
		info.Shape = slices.Clone(unsafe.Slice((*int64)(shape), int(rank)))
		info.Symbols = strings.Split(names, "\n")
		C.free(unsafe.Pointer(shape))
	}
	return take(message)
}

// names is a list of C strings that lives as long as its session.
type names []*C.char

func newNames(infos []Info) names {
	all := make(names, len(infos))
	for i, info := range infos {
		all[i] = C.CString(info.Name)
	}
	return all
}

func (n names) free() {
	for _, name := range n {
		C.free(unsafe.Pointer(name))
	}
}

// run runs the session once. Every tensor is pinned meanwhile, because C accesses them through a table of pointers. C
// keeps no pointer to the caller's memory afterwards.
func (a api) run(session *ortSession, options unsafe.Pointer, inputNames, outputNames names, inputs,
	outputs []Tensor) error {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	in, out := borrow(&pinner, inputs), borrow(&pinner, outputs)
	message := C.fx_run(a.table, session, (*C.OrtRunOptions)(options),
		unsafe.SliceData(inputNames), unsafe.SliceData(in), C.size_t(len(in)),
		unsafe.SliceData(outputNames), unsafe.SliceData(out), C.size_t(len(out)))
	if err := take(message); err != nil {
		return err
	}
	for i := range out {
		if out[i].value == nil {
			continue
		}
		t, err := a.copyValue(out[i].value)
		C.fx_release_value(a.table, out[i].value)
		if err != nil {
			return err
		}
		outputs[i] = t
	}
	return nil
}

func borrow(pinner *runtime.Pinner, tensors []Tensor) []C.fx_tensor {
	all := make([]C.fx_tensor, len(tensors))
	for i, t := range tensors {
		if t.data == nil {
			continue
		}
		pinner.Pin(t.data)
		all[i] = C.fx_tensor{
			data: t.data, bytes: C.size_t(t.count * t.dtype.size()),
			rank: C.size_t(len(t.shape)), dtype: C.int32_t(t.dtype),
		}
		if len(t.shape) > 0 {
			pinner.Pin(unsafe.SliceData(t.shape))
			all[i].shape = (*C.int64_t)(unsafe.SliceData(t.shape))
		}
	}
	return all
}

// maxRank limits the number of dimensions of an output.
const maxRank = 16

// copyValue copies an output that ONNX Runtime allocated into Go's memory.
func (a api) copyValue(value *ortValue) (Tensor, error) {
	var dtype C.int32_t
	var rank C.size_t
	var shape [maxRank]C.int64_t
	var data unsafe.Pointer
	if err := take(C.fx_value(a.table, value, &dtype, &rank, &shape[0], maxRank, &data)); err != nil {
		return Tensor{}, err
	}
	t, err := emptyTensor(DType(dtype), unsafe.Slice((*int64)(&shape[0]), int(rank)))
	if err != nil || t.count == 0 {
		return t, err
	}
	copy(t.bytes(), unsafe.Slice((*byte)(data), t.count*t.dtype.size()))
	return t, nil
}

// newValue makes an uninitialised value in host memory.
func (a api) newValue(dtype DType, shape []int64) (value *ortValue, data unsafe.Pointer, err error) {
	message := C.fx_new_value(a.table, (*C.int64_t)(unsafe.SliceData(shape)), C.size_t(len(shape)), C.int32_t(dtype),
		&value, &data)
	if err = take(message); err != nil {
		a.freeValue(value)
		return nil, nil, err
	}
	return value, data, nil
}

// wrapValue makes a value over memory of a GPU, or of the host if gpu < 0.
func (a api) wrapValue(gpu int, data unsafe.Pointer, bytes int, dtype DType,
	shape []int64) (value *ortValue, err error) {
	message := C.fx_wrap_value(a.table, C.int(gpu), data, C.size_t(bytes), (*C.int64_t)(unsafe.SliceData(shape)),
		C.size_t(len(shape)),
		C.int32_t(dtype), &value)
	return value, take(message)
}

func (a api) freeValue(value *ortValue) {
	if value != nil {
		C.fx_release_value(a.table, value)
	}
}

// keepFloatMode runs f, which may change the calling thread's treatment of denormal numbers, and changes it back.
func keepFloatMode(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mode := C.fx_float_mode()
	defer C.fx_set_float_mode(mode)
	f()
}

// configureRun sets an entry of run options.
func (a api) configureRun(options unsafe.Pointer, key, value string) error {
	k, v := C.CString(key), C.CString(value)
	defer C.free(unsafe.Pointer(k))
	defer C.free(unsafe.Pointer(v))
	return take(C.fx_configure_run(a.table, (*C.OrtRunOptions)(options), k, v))
}

// assignment returns the nodes of a session that records them.
func (a api) assignment(session *ortSession) ([]Node, error) {
	var lines *C.char
	message := C.fx_assignment(a.table, session, &lines)
	text := takeString(lines)
	if err := take(message); err != nil {
		return nil, err
	}
	var nodes []Node
	for line := range strings.Lines(text) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(f) == 4 {
			nodes = append(nodes, Node{Provider: f[0], Domain: f[1], Op: f[2], Name: f[3]})
		}
	}
	return nodes, nil
}

func (a api) newBinding(session *ortSession) (*ortBinding, error) {
	var binding *ortBinding
	err := take(C.fx_new_binding(a.table, session, &binding))
	return binding, err
}

// bind makes value the input or output of that name in the runs of a binding.
func (a api) bind(binding *ortBinding, output bool, name *C.char, value *ortValue) error {
	var which C.int
	if output {
		which = 1
	}
	return take(C.fx_bind(a.table, binding, which, name, value))
}

func (a api) runBinding(session *ortSession, options unsafe.Pointer, binding *ortBinding) error {
	return take(C.fx_run_binding(a.table, session, (*C.OrtRunOptions)(options), binding))
}

func (a api) freeBinding(binding *ortBinding) { C.fx_release_binding(a.table, binding) }
