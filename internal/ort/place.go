package ort

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"strconv"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"fx/internal/cuda"
	"fx/internal/fail"
)

// placement is the device and provider of a session, and why they were chosen.
type placement struct {
	device   Device
	provider string
	why      string
	cuda     bool
}

// place appends the provider for the device to the options. For Auto it chooses the GPU if it works, else the CPU,
// with the reason.
func (rt *Runtime) place(native *onnxruntime.SessionOptions, options SessionOptions,
	settings map[string]string) (placement, error) {
	onCPU := func(why string) placement {
		return placement{device: CPU, provider: "CPUExecutionProvider", why: "cpu: " + why}
	}
	switch options.Device.Kind {
	case "cpu":
		return onCPU("asked for"), nil
	case "cuda":
		gpu, err := rt.cudaReady(options.Device.ID)
		if err == nil {
			err = rt.appendCUDA(native, options, settings)
		}
		if err != nil {
			return placement{}, unusable(options.Device, err)
		}
		return onGPU(options.Device.ID, gpu), nil
	case "", "auto":
		gpu, err := rt.cudaReady(0)
		if err == nil {
			err = rt.appendCUDA(native, options, settings)
		}
		if err != nil {
			return onCPU(err.Error()), nil
		}
		return onGPU(0, gpu), nil
	}
	return placement{}, fail.New(fail.Usage, "Devices are auto, cpu, cuda and cuda:N.", "unknown device %q",
		options.Device.Kind)
}

// Resolve returns the device on which a session would be opened, and why; gpu describes a device on CUDA. Errors are
// those of NewSession.
func (rt *Runtime) Resolve(d Device) (resolved Device, gpu cuda.GPU, why string, err error) {
	id := d.ID
	if d.Kind != "cuda" {
		id = 0
	}
	if d.Kind == "cpu" {
		return CPU, cuda.GPU{}, "asked for", nil
	}
	gpu, err = rt.cudaReady(id)
	switch {
	case err == nil:
		return Device{Kind: "cuda", ID: id}, gpu, gpu.String(), nil
	case d.Kind == "cuda":
		return d, cuda.GPU{}, "", unusable(d, err)
	}
	return CPU, cuda.GPU{}, err.Error(), nil
}

func onGPU(id int, gpu cuda.GPU) placement {
	device := Device{Kind: "cuda", ID: id}
	return placement{device: device, provider: cudaProvider, cuda: true, why: fmt.Sprintf("%s: %s", device, gpu)}
}

// unusable is the error for a requested device that is not available.
func unusable(d Device, err error) error { return fail.Wrap(fail.Device, err, "", "device %s", d) }

// cudaReady loads what the CUDA provider needs and returns the GPU that it would use. The error is why it does not
// work, with a hint.
func (rt *Runtime) cudaReady(id int) (cuda.GPU, error) {
	if !rt.hasCUDA() {
		return cuda.GPU{}, fail.New(fail.Device, "Run `fx runtime install --gpu`, or use --device cpu.",
			"the library has no CUDA provider (%s)", rt.library.Path)
	}
	driver, err := cuda.Ask()
	if err != nil {
		return cuda.GPU{}, err
	}
	if id >= len(driver.GPUs) {
		return cuda.GPU{}, fail.New(fail.Device, "Use a smaller number, or check CUDA_VISIBLE_DEVICES.",
			"there is no GPU %d: the driver reports %d, counted from 0", id, len(driver.GPUs))
	}
	needed := rt.library.CUDAVersion()
	if needed > driver.Major {
		return cuda.GPU{}, fail.New(fail.Device,
			fmt.Sprintf("Update the driver to one for CUDA %d, or name a libonnxruntime for CUDA %d with --ort-lib.",
				needed, driver.Major),
			"the NVIDIA driver supports CUDA up to %s, but the library needs CUDA %d", driver.CUDA(), needed)
	}
	if err := rt.library.OpenCUDA(); err != nil {
		return cuda.GPU{}, err
	}
	return driver.GPUs[id], nil
}

// CUDAVariable is the name of the environment variable that overrides options of the CUDA provider for every session,
// such as "use_tf32=0;gpu_mem_limit=4294967296".
const CUDAVariable = "FX_CUDA_OPTIONS"

// cudaDefaults returns the options of a session on CUDA besides device_id.
//
//   - cudnn_conv_algo_search=HEURISTIC: cuDNN picks an algorithm by its rules,
//     as PyTorch does with torch.backends.cudnn.benchmark at its default of
//     False. EXHAUSTIVE times all of them for each new batch size, and two runs
//     may then choose differently and give other bits.
//   - cudnn_conv_use_max_workspace=1: no algorithm is excluded because of its scratch memory.
//   - use_tf32=1: convolutions may use TensorFloat-32, as in PyTorch. ONNX
//     Runtime has this one switch for convolutions and matrix products alike;
//     PyTorch's default allows it for cuDNN's convolutions
//     (torch.backends.cudnn.allow_tf32) and not for matrix products
//     (torch.backends.cuda.matmul.allow_tf32). So the fully connected layers of
//     alexnet and vgg11_bn are rounded to TF32 here and are not in PyTorch.
//   - arena_extend_strategy=kSameAsRequested: the arena grows by what is requested.
//     Batches have one size, so it stops growing after the first; doubling
//     (kNextPowerOfTwo) could reserve twice what a large batch needs.
//   - do_copy_in_default_stream=1: copies and kernels keep their order on one
//     stream; separate streams can race (onnxruntime issue 4829).
func cudaDefaults() map[string]string {
	return map[string]string{
		"cudnn_conv_algo_search":       "HEURISTIC",
		"cudnn_conv_use_max_workspace": "1",
		"use_tf32":                     "1",
		"arena_extend_strategy":        "kSameAsRequested",
		"do_copy_in_default_stream":    "1",
	}
}

// appendCUDA adds the provider to the session's options and stores the provider's effective options in settings.
func (rt *Runtime) appendCUDA(native *onnxruntime.SessionOptions, options SessionOptions,
	settings map[string]string) error {
	wanted := cudaDefaults()
	if options.Capture && rt.library.AtLeast(oldestCapture) {
		wanted[captureOption] = "1"
	}
	maps.Copy(wanted, options.CUDA)
	maps.Copy(wanted, splitOptions(os.Getenv(CUDAVariable)))
	wanted["device_id"] = strconv.Itoa(options.Device.ID)
	var actual map[string]string
	var err error
	cuda.KeepSignals(func() { actual, err = rt.startCUDA(native, wanted) })
	if err != nil {
		return fail.Wrap(fail.Device, plain(err),
			"Check that `nvidia-smi` works and that no other program fills the GPU; --device cpu works without one.",
			"ONNX Runtime's CUDA provider does not start")
	}
	for key, value := range actual {
		settings["cuda."+key] = value
	}
	settings["cuda."+captureOption] = cmp.Or(wanted[captureOption], "0") // ONNX Runtime does not report this one
	return nil
}

// startCUDA appends the provider with the wanted options and returns the effective ones.
func (rt *Runtime) startCUDA(native *onnxruntime.SessionOptions,
	wanted map[string]string) (actual map[string]string, err error) {
	options, err := onnxruntime.NewCUDAProviderOptions()
	if err != nil {
		return nil, err
	}
	defer func() { _ = options.Destroy() }() // fails only if destroyed before
	if err := options.Update(wanted); err != nil {
		return nil, err
	}
	if actual, err = rt.api.cudaOptions(pointerField(options, "o")); err != nil {
		return nil, err
	}
	return actual, native.AppendExecutionProviderCUDA(options)
}
