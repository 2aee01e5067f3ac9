package extract

import (
	"strings"

	"fx/internal/fail"
	"fx/internal/ort"
)

// The precisions of a network's weights and activations. Pixels are normalised
// in float32, and features are float32, in either.
const (
	Float32 = "float32"
	Float16 = "float16" // see backbones.Float16
)

func checkPrecision(precision string) error {
	if precision != "" && precision != Float32 && precision != Float16 {
		return fail.New(fail.Usage, "It is float32 or float16.", "--precision %s", precision)
	}
	return nil
}

// slowFloat16 is worth knowing on a CPU.
const slowFloat16 = "--precision float16 on the CPU: ONNX Runtime computes in float32 between casts there, which saves nothing"

// inFloat16 ends the provider of a store whose features came of float16.
const inFloat16 = " in float16"

// providerName names what computes, as a store's manifest keeps it. TF32 rounds
// the factors of convolutions to 10 bits, and float16 all that is computed, so
// features with and without them do not share a store. (The products of float16
// do not use TF32.)
func providerName(s *ort.Session, precision string) string {
	switch {
	case precision == Float16:
		return s.Provider() + inFloat16
	case s.ProviderOptions()["cuda.use_tf32"] == "0":
		return s.Provider() + " without TF32"
	}
	return s.Provider()
}

// precisionOf is the precision of the features of a store's provider.
func precisionOf(provider string) string {
	if strings.HasSuffix(provider, inFloat16) {
		return Float16
	}
	return Float32
}

// expectedProvider is what a store's manifest is asked for before the network is
// on its device, which says in the end: that which made the store, where it is of
// the kind of device and the precision that are wanted now.
func expectedProvider(stored, kind, precision string) string {
	automatic := kind == "" || kind == ort.Auto.Kind
	if precisionOf(stored) == precision && (automatic || strings.HasPrefix(stored, providerOf(kind))) {
		return stored // with or without TF32: that shows when rows are missing
	}
	provider, _, _ := strings.Cut(stored, " ")
	if !automatic {
		provider = providerOf(kind)
	}
	if precision == Float16 {
		provider += inFloat16
	}
	return provider
}

// providerOf names the execution provider of a device kind.
func providerOf(kind string) string {
	if kind == ort.CUDA.Kind {
		return "CUDAExecutionProvider"
	}
	return "CPUExecutionProvider"
}
