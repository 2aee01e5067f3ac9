package testenv

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Variable names the environment variable that lists the needs which the machine must meet.
const Variable = "FX_TEST_REQUIRE"

// Need is something that not every machine has, under its name in Variable.
type Need string

// What tests need.
const (
	Runtime   Need = "runtime"   // ONNX Runtime, installed by `fx runtime install`
	Photos    Need = "photos"    // hymenoptera_data in FX_DATA_DIR
	Weights   Need = "weights"   // torchvision's weights in FX_WEIGHTS_DIR
	Pulled    Need = "pulled"    // weights that `fx backbones pull` fetched into fx's cache
	Browser   Need = "browser"   // Chromium
	TurboJPEG Need = "turbojpeg" // libjpeg-turbo
	HEIF      Need = "heif"      // libheif with decoders of HEVC and AV1
	Strace    Need = "strace"    // strace, and leave to trace
	Compiler  Need = "compiler"  // a C compiler
	Python    Need = "python"    // a Python with the packages of scripts/readers.txt
	Namespace Need = "namespace" // namespaces of its own, for networks and mounts
	GPU       Need = "gpu"       // an NVIDIA GPU that ONNX Runtime can use
	Rehearsal Need = "rehearsal" // an ONNX Runtime with the CUDA provider in FX_TEST_GPU_LIB, and no GPU
)

// Lacks ends a test whose need the machine does not meet: it skips it with the
// reason, or fails it where Variable lists the need.
func Lacks(t testing.TB, need Need, format string, args ...any) {
	t.Helper()
	reason := fmt.Sprintf(format, args...)
	if Required(need) {
		t.Fatalf("%s (%s=%s requires %s)", reason, Variable, os.Getenv(Variable), need)
	}
	t.Skip(reason)
}

// Required reports whether Variable lists the need.
func Required(need Need) bool {
	return slices.Contains(strings.Split(os.Getenv(Variable), ","), string(need))
}
