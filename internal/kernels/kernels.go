package kernels

/*
#cgo CFLAGS: -O3 -I${SRCDIR}/../ortapi -Werror=incompatible-pointer-types
#cgo !windows LDFLAGS: -lm -lpthread
#include <stdlib.h>
#include "ort.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Domain is the domain of the ops in ONNX graphs, Version its version.
const (
	Domain  = "fx"
	Version = 1
)

// The activations that the ops compute, by the number in the attribute "activation". Clip has the bounds a and b;
// HardSigmoid is a·x + b between 0 and 1.
const (
	Relu        = C.FX_RELU
	Clip        = C.FX_CLIP
	HardSigmoid = C.FX_HARD_SIGMOID
	HardSwish   = C.FX_HARD_SWISH
	Swish       = C.FX_SWISH // with the sigmoid of x itself
	Gelu        = C.FX_GELU
	GeluTanh    = C.FX_GELU_TANH // by the approximation with tanh
)

// Register adds the ops to session options: api is ONNX Runtime's OrtApi of
// version 24 or later, options its OrtSessionOptions.
func Register(api, options unsafe.Pointer) error {
	message := C.fx_register((*C.OrtApi)(api), (*C.OrtSessionOptions)(options))
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}

// LeastGroup is the number of channels from which on the op Conv3x3 is faster than ONNX Runtime's Conv where a
// convolution has several groups.
const LeastGroup = 8

// VectorLength returns the number of floats in a vector of the kernels on this machine.
func VectorLength() int { return int(C.fx_best_isa().lanes) }

// InstructionSet returns the instruction set of the kernels on this machine, such as "avx512".
func InstructionSet() string { return C.GoString(C.fx_best_isa().name) }
