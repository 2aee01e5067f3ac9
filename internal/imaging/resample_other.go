//go:build !cgo

package imaging

// Without cgo there is only the Go code.
func resamplers() []resampler { return []resampler{pure{}} }

func best() resampler { return pure{} }
