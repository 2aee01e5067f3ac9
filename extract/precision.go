package extract

import (
	"cmp"

	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/store"
)

// The precisions of a network's weights and activations. With both, pixels are normalised in float32, and features are
// float32.
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

// slowFloat16 is a note for CPUs.
const slowFloat16 = "--precision float16 on the CPU: ONNX Runtime computes in float32 between casts there, which " +
	"saves nothing"

// compute returns what a store's manifest records about e.
func (e *Embedder) compute() store.Compute {
	c := store.Compute{Provider: e.session.Provider(), Precision: precisionOf(e.options.Precision)}
	if c.Precision == store.Float32 { // the products of float16 do not use TF32
		c.WithoutTF32 = e.session.ProviderOptions()["cuda.use_tf32"] == "0"
	}
	return c
}

func precisionOf(option string) store.DType { return store.DType(cmp.Or(option, Float32)) }

// expectedCompute returns the Compute to expect before the network is on its device, which determines it in the end:
// that of the store, if the store's kind of device and precision are wanted now.
func expectedCompute(stored store.Compute, kind, precision string) store.Compute {
	wanted := store.Compute{Provider: stored.Provider, Precision: precisionOf(precision)}
	if kind != "" && kind != ort.Auto.Kind {
		wanted.Provider = providerOf(kind)
	}
	if wanted.Provider == stored.Provider && wanted.Precision == stored.Precision {
		return stored // with or without TF32: known when rows are computed
	}
	return wanted
}

// providerOf returns the execution provider of a kind of device.
func providerOf(kind string) string {
	if kind == ort.CUDA.Kind {
		return "CUDAExecutionProvider"
	}
	return "CPUExecutionProvider"
}
