package ort

// Version is the ONNX Runtime that Install fetches.
const Version = "1.31.1"

// flavour is a build of ONNX Runtime.
type flavour string

const (
	cpuBuild flavour = "cpu"
	gpuBuild flavour = "gpu"
)

// folder is the flavour's folder below fx's cache folder "runtime".
func (f flavour) folder() string { return "onnxruntime-" + Version + "-" + string(f) }

func flavoursInOrder() []flavour { return []flavour{gpuBuild, cpuBuild} }
