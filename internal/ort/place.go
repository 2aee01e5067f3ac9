package ort

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"strconv"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"fx/internal/fail"
)

// placement is where a session runs and why.
type placement struct {
	device   Device
	provider string
	why      string
	cuda     bool
}

// place appends the provider for the device to the options. For Auto it takes
// the GPU where it works and says why where it does not.
func (rt *Runtime) place(native *onnxruntime.SessionOptions, options SessionOptions, settings map[string]string) (placement, error) {
	onCPU := func(why string) placement {
		return placement{device: CPU, provider: "CPUExecutionProvider", why: "cpu: " + why}
	}
	switch options.Device.Kind {
	case "cpu":
		return onCPU("asked for"), nil
	case "cuda":
		gpu, obstacle := rt.cudaReady(options.Device.ID)
		if obstacle == nil {
			obstacle = rt.appendCUDA(native, options, settings)
		}
		if obstacle != nil {
			return placement{}, obstacle.asError(options.Device)
		}
		return onGPU(options.Device.ID, gpu), nil
	case "", "auto":
		gpu, obstacle := rt.cudaReady(0)
		if obstacle == nil {
			obstacle = rt.appendCUDA(native, options, settings)
		}
		if obstacle != nil {
			return onCPU(obstacle.what), nil
		}
		return onGPU(0, gpu), nil
	}
	return placement{}, fail.New(fail.Usage, "Devices are auto, cpu, cuda and cuda:N.", "unknown device %q", options.Device.Kind)
}

// Resolve says on which device a session would be opened, and why. gpu is what
// it is on CUDA. The error is that of NewSession.
func (rt *Runtime) Resolve(d Device) (resolved Device, gpu GPU, why string, err error) {
	id := d.ID
	if d.Kind != "cuda" {
		id = 0
	}
	if d.Kind == "cpu" {
		return CPU, GPU{}, "asked for", nil
	}
	gpu, obstacle := rt.cudaReady(id)
	switch {
	case obstacle == nil:
		return Device{Kind: "cuda", ID: id}, gpu, gpu.String(), nil
	case d.Kind == "cuda":
		return d, GPU{}, "", obstacle.asError(d)
	}
	return CPU, GPU{}, obstacle.what, nil
}

func onGPU(id int, gpu GPU) placement {
	device := Device{Kind: "cuda", ID: id}
	return placement{device: device, provider: cudaProvider, cuda: true, why: fmt.Sprintf("%s: %s", device, gpu)}
}

// obstacle is what keeps CUDA from working, and what mends it.
type obstacle struct{ what, mend string }

func (o *obstacle) asError(d Device) error {
	return fail.New(fail.Device, o.mend, "device %s: %s", d, o.what)
}

// CUDAVariable names the environment variable that overrides options of the
// CUDA provider for every session, such as "use_tf32=0;gpu_mem_limit=4294967296".
const CUDAVariable = "FX_CUDA_OPTIONS"

// CUDADefaults are the options that a session on CUDA gets beside device_id.
//
//   - cudnn_conv_algo_search=HEURISTIC: cuDNN picks an algorithm by its rules,
//     as PyTorch does with torch.backends.cudnn.benchmark at its default of
//     False. EXHAUSTIVE times all of them anew for each batch size, and two runs
//     may then choose differently and give other bits.
//   - cudnn_conv_use_max_workspace=1: no algorithm is ruled out for its scratch memory.
//   - use_tf32=1: convolutions may use TensorFloat-32, as in PyTorch. ONNX
//     Runtime has this one switch for convolutions and matrix products alike;
//     PyTorch's default allows it for cuDNN's convolutions
//     (torch.backends.cudnn.allow_tf32) and not for matrix products
//     (torch.backends.cuda.matmul.allow_tf32). So the fully connected layers of
//     alexnet and vgg11_bn are rounded to TF32 here and are not in PyTorch.
//   - arena_extend_strategy=kSameAsRequested: the arena grows by what is asked
//     for. Batches have one size, so it stops growing after the first; doubling
//     (kNextPowerOfTwo) could reserve twice what a large batch needs.
//   - do_copy_in_default_stream=1: copies and kernels keep their order on one
//     stream; separate streams can race (onnxruntime issue 4829).
func CUDADefaults() map[string]string {
	return map[string]string{
		"cudnn_conv_algo_search":       "HEURISTIC",
		"cudnn_conv_use_max_workspace": "1",
		"use_tf32":                     "1",
		"arena_extend_strategy":        "kSameAsRequested",
		"do_copy_in_default_stream":    "1",
	}
}

// appendCUDA adds the provider to the session's options and records what it reads back.
func (rt *Runtime) appendCUDA(native *onnxruntime.SessionOptions, options SessionOptions, settings map[string]string) *obstacle {
	wanted := CUDADefaults()
	if options.Capture {
		wanted[captureOption] = "1"
	}
	maps.Copy(wanted, options.CUDA)
	maps.Copy(wanted, splitOptions(os.Getenv(CUDAVariable)))
	wanted["device_id"] = strconv.Itoa(options.Device.ID)
	var problem *obstacle
	keepSignals(true, func() {
		cuda, err := onnxruntime.NewCUDAProviderOptions()
		if err != nil {
			problem = refused(err)
			return
		}
		defer func() { _ = cuda.Destroy() }() // fails only where destroyed before
		if err := cuda.Update(wanted); err != nil {
			problem = refused(err)
			return
		}
		actual, err := rt.api.cudaOptions(pointerField(cuda, "o"))
		if err != nil {
			problem = refused(err)
			return
		}
		if err := native.AppendExecutionProviderCUDA(cuda); err != nil {
			problem = refused(err)
			return
		}
		for key, value := range actual {
			settings["cuda."+key] = value
		}
		settings["cuda."+captureOption] = cmp.Or(wanted[captureOption], "0") // which ONNX Runtime does not read back
	})
	return problem
}

func refused(err error) *obstacle {
	return &obstacle{"ONNX Runtime's CUDA provider does not start: " + plain(err).Error(),
		"See that `nvidia-smi` works and that no other program fills the GPU; --device cpu works without one."}
}
