package store

import "strings"

// Compute describes what computed embeddings. Embeddings of different Computes differ a little, so their rows never
// share a store.
type Compute struct {
	Provider    string `json:"provider"`               // ONNX Runtime's name of its execution provider
	Precision   DType  `json:"precision"`              // of weights and activations
	WithoutTF32 bool   `json:"without_tf32,omitempty"` // the GPU did not round factors to TensorFloat-32, 10 bits
}

// withoutTF32 is the suffix in a Compute's text.
const withoutTF32 = " without TF32"

// String returns the provider and its properties, such as "CUDAExecutionProvider without TF32". The text is part of a
// store's identity, so it must not change.
func (c Compute) String() string {
	text := c.Provider
	if c.Precision != Float32 {
		text += " in " + string(c.Precision)
	}
	if c.WithoutTF32 {
		text += withoutTF32
	}
	return text
}

// olderCompute parses the text that an older fx wrote instead of a Compute, which had at most one of two suffixes.
func olderCompute(text string) Compute {
	if provider, found := strings.CutSuffix(text, " in float16"); found {
		return Compute{Provider: provider, Precision: Float16}
	}
	provider, found := strings.CutSuffix(text, withoutTF32)
	return Compute{Provider: provider, Precision: Float32, WithoutTF32: found}
}
