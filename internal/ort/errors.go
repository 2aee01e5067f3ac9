package ort

import (
	"errors"
	"regexp"
	"strings"

	"fx/internal/fail"
)

// outOfMemory are parts of the messages of ONNX Runtime, CUDA, cuDNN and cuBLAS if memory is short.
var outOfMemory = []string{
	"out of memory", "failed to allocate memory", "cudaerrormemoryallocation", "alloc_failed",
	"bfcarena", "available memory of", "bad_alloc", "bad allocation",
}

// ErrOutOfMemory is in the chain of an error because the host's or a GPU's memory is short.
var ErrOutOfMemory = errors.New("out of memory")

// memoryError makes an error match ErrOutOfMemory.
type memoryError struct{ error }

func (memoryError) Is(target error) bool { return target == ErrOutOfMemory }

var (
	errorPrefix = regexp.MustCompile(`^.*\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : `)
	// file, line and function
	sourcePlace = regexp.MustCompile(`/onnxruntime_src/\S+:\d+ .*?\)(?: const)?(?: \[with [^\]]*\])? `)
	cudaTail    = regexp.MustCompile(` ; GPU=-?\d+ ; hostname=.*?(; expr=|$)`)
)

// plain removes source positions and the host name from ONNX Runtime's message.
func plain(err error) error {
	text := errorPrefix.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "")
	text = sourcePlace.ReplaceAllString(text, "")
	return errors.New(cudaTail.ReplaceAllString(text, " in "))
}

// explain adds a kind and a hint to an error of ONNX Runtime.
func (s *Session) explain(err error, format string, args ...any) error {
	err = plain(err)
	text := strings.ToLower(err.Error())
	for _, words := range outOfMemory {
		if strings.Contains(text, words) {
			return fail.Wrap(fail.Device, memoryError{err},
				"Try a smaller --batch-size, or free memory on the device.", "out of memory: "+format, args...)
		}
	}
	for _, words := range []string{"cuda", "cudnn", "cublas"} {
		if s.placed.cuda && strings.Contains(text, words) {
			return fail.Wrap(fail.Device, err,
				"`fx runtime doctor` checks the GPU and its driver; --device cpu works without them.", format, args...)
		}
	}
	return fail.Wrap(fail.Model, err, "", format, args...)
}
