package finetune

import (
	"fmt"
	"strconv"
	"strings"

	"fx/finetune/artifacts"
	"fx/internal/cuda"
	"fx/internal/fail"
	"fx/internal/ort"
	"fx/internal/weights"
)

// checkPrecision returns an error if the device has no kernels for the precision.
func (r *run) checkPrecision() error {
	precision := r.options.Precision
	if precision == artifacts.Float32 {
		return nil
	}
	device, gpu, why, err := r.runtime.Resolve(r.options.Device)
	if err != nil {
		return err
	}
	if problem := precisionError(device, gpu, why, precision); problem != nil {
		return problem
	}
	if device == ort.CPU {
		r.report.Note("on the CPU, float16 is computed in float32 between casts, so it saves nothing")
	}
	return nil
}

// oldestBFloat16 is the compute capability from which GPUs multiply bfloat16
// (Ampere).
const oldestBFloat16 = 8

// precisionError returns an error if a device lacks the precision. If the CPU has no
// kernel for a float16 op, ONNX Runtime adds casts; it does not for bfloat16.
func precisionError(device ort.Device, gpu cuda.GPU, why, precision string) error {
	if precision != artifacts.BFloat16 {
		return nil
	}
	if device == ort.CPU {
		return fail.New(fail.Device,
			"Take --precision float32, or a machine with an NVIDIA GPU and `fx runtime install --gpu`.",
			"--precision bfloat16 needs a GPU: on the CPU, ONNX Runtime has no bfloat16 convolutions and matrix "+
				"products (the CPU was taken: %s)", why)
	}
	text, _, _ := strings.Cut(gpu.Capability, ".")
	if major, err := strconv.Atoi(text); err == nil && major < oldestBFloat16 {
		return fail.New(fail.Device, "Take --precision float16 or float32.",
			"%s has the compute capability %s, and bfloat16 needs %d.0", gpu, gpu.Capability, oldestBFloat16)
	}
	return nil
}

// warnOfLossScale reports that float16's loss scale has fallen below 1: gradients
// overflow even unscaled, so that every update is skipped.
func (r *run) warnOfLossScale(state *weights.StateDict) {
	t, ok := state.Get(artifacts.LossScaleName)
	if !ok {
		return
	}
	if scale, err := t.Float32s(); err == nil && scale[0] < 1 {
		r.report.Note(fmt.Sprintf("the loss scale has fallen to %g: gradients are not finite in float16, and such "+
			"steps are skipped. %s", scale[0], lowerRate))
	}
}
