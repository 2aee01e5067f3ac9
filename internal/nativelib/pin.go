package nativelib

import (
	"strings"

	"fx/internal/wheel"
)

// Version is the ONNX Runtime that Install fetches. A new version needs new hashes below: those of the libraries in
// the wheels that `pip download --no-deps --python-version 3.12 --platform TAG` fetches.
const Version = "1.31.1"

// pin is a system's build of Version: its wheel with the hashes of its libraries, and its release archive.
type pin struct {
	platform string            // the wheel's platform tag
	archive  string            // the release's file, with the libraries in ROOT/lib; its hash is that of its first use
	sha256   map[string]string // of each library of the wheel that is unpacked, by its name
}

// releases is the address of the folders of all releases: below it are vVERSION/ARCHIVE.
const releases = "https://github.com/microsoft/onnxruntime/releases/download"

// wheelPython is the Python whose wheels are fetched, whichever is installed: the libraries do not depend on it, so
// each system has one file to pin.
const (
	wheelPython = "3.12"
	wheelABI    = "cp312"
)

// pins are the builds of onnxruntime and onnxruntime-gpu, whose wheels need CUDA 13.
var pins = map[string]map[flavour]pin{
	"linux/amd64": {
		cpuBuild: {"manylinux_2_28_x86_64", "onnxruntime-linux-x64-" + Version + ".tgz", map[string]string{
			"libonnxruntime.so.1.31.1":           "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
			"libonnxruntime_providers_shared.so": "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
		}},
		gpuBuild: {"manylinux_2_28_x86_64", "onnxruntime-linux-x64-gpu_cuda13-" + Version + ".tgz", map[string]string{
			"libonnxruntime.so.1.31.1":           "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303",
			"libonnxruntime_providers_shared.so": "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
			"libonnxruntime_providers_cuda.so":   "8387867e857499e045caff5d13ac6a5de29571c801562fa2dde0e45f1f31de52",
		}},
	},
	"linux/arm64": {
		cpuBuild: {"manylinux_2_28_aarch64", "onnxruntime-linux-aarch64-" + Version + ".tgz", map[string]string{
			"libonnxruntime.so.1.31.1":           "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
			"libonnxruntime_providers_shared.so": "3b6be288fbfb7dff8770d08a23defdde18e8f7e0f5a2b344a0e5e238c999ea88",
		}},
	},
	"darwin/arm64": {
		cpuBuild: {"macosx_14_0_arm64", "onnxruntime-osx-arm64-" + Version + ".tgz", map[string]string{
			"libonnxruntime.1.31.1.dylib": "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
		}},
	},
	"windows/amd64": {
		cpuBuild: {"win_amd64", "onnxruntime-win-x64-" + Version + ".zip", map[string]string{
			"onnxruntime.dll":                  "e45f61e50d8650885452be538a00bb14a715e46a1bc3691000ce947e89ed0306",
			"onnxruntime_providers_shared.dll": "02b3edadc03a2bddd90bcbd090733a2c458f4aff8be2cebb6070428e81c6d41e",
		}},
		gpuBuild: {"win_amd64", "onnxruntime-win-x64-gpu_cuda13-" + Version + ".zip", map[string]string{
			"onnxruntime.dll":                  "7ce20366f6d5981081bb8bbc0aff757e055e6d0d09c2237cbb2143740cc8658f",
			"onnxruntime_providers_shared.dll": "cb48721ca5b33cc827956f07f9900aa886052a839b2b18a1c11f036a2ebc5c5c",
			"onnxruntime_providers_cuda.dll":   "ebb99d5c0b451ff0b67032df80b4e9f442488d9bab1b5eeab68fc1613c1fab96",
		}},
	},
	"windows/arm64": {
		cpuBuild: {"win_arm64", "onnxruntime-win-arm64-" + Version + ".zip", map[string]string{
			"onnxruntime.dll":                  "dc9e2fe646a72829386a24ac9185a7a4e26d7dbe5dc433d41df063603c00bbc7",
			"onnxruntime_providers_shared.dll": "f4cd6a38ff46ffcb4534fe27f3e49001a6459f1c2756f3445f9113b3bdc735c4",
		}},
	},
}

// target returns the wheels of a build that fit this system. NVIDIA's packages, which the GPU build needs, have other
// tags than ONNX Runtime's.
func target(build flavour) wheel.Target {
	p, known := pinned(build)
	switch {
	case !known:
		return wheel.Target{} // the wheels of the installed Python
	case build == cpuBuild:
		return wheel.Target{Python: wheelPython, ABIs: []string{wheelABI}, Platforms: []string{p.platform}}
	}
	platforms := []string{p.platform}
	if tag, ok := strings.CutPrefix(p.platform, "manylinux_2_28_"); ok {
		for _, glibc := range []string{"_2_27", "_2_26", "_2_24", "_2_17", "_2_12", "_2_5", "2014"} {
			platforms = append(platforms, "manylinux"+glibc+"_"+tag)
		}
	}
	return wheel.Target{Python: wheelPython, ABIs: []string{wheelABI, "abi3", "none"}, Platforms: platforms}
}

// pinned returns the pin of a build for this system.
func pinned(build flavour) (pin, bool) {
	p, ok := pins[system()][build]
	return p, ok
}
