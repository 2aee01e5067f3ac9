//go:build !cgo

package imaging

// Without C there is the Go code alone.
func resamplers() []resampler { return []resampler{pure{}} }

func best() resampler { return pure{} }
