package fakecuda

import (
	"bytes"
	"debug/elf"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed source/fakecuda.c
var source string

// opened are the libraries that the provider, or fx, opens by name.
var opened = []string{"libcuda.so.1", "libcudnn.so.9", "libnvrtc.so.13", "libcufft.so.12"}

// dnn are functions of cuDNN that the provider looks up by name.
var dnn = []string{
	"cudnnDestroy", "cudnnSetStream", "cudnnGetStream", "cudnnBackendFinalize", "cudnnBackendSetAttribute",
	"cudnnBackendDestroyDescriptor", "cudnnBackendInitialize", "cudnnSetTensorNdDescriptor",
	"cudnnSetTensor4dDescriptor", "cudnnGetTensorNdDescriptor", "cudnnDestroyTensorDescriptor",
	"cudnnSetFilterNdDescriptor", "cudnnDestroyFilterDescriptor", "cudnnSetConvolutionNdDescriptor",
	"cudnnSetConvolutionGroupCount", "cudnnSetConvolutionMathType", "cudnnDestroyConvolutionDescriptor",
	"cudnnConvolutionForward", "cudnnGetConvolutionForwardWorkspaceSize", "cudnnAddTensor",
	"cudnnSetPoolingNdDescriptor", "cudnnDestroyPoolingDescriptor", "cudnnPoolingForward",
	"cudnnSetActivationDescriptor", "cudnnDestroyActivationDescriptor", "cudnnActivationForward",
	"cudnnSetReduceTensorDescriptor", "cudnnDestroyReduceTensorDescriptor", "cudnnReduceTensor", "cudnnSoftmaxForward",
	"cudnnDeriveBNTensorDescriptor", "cudnnBatchNormalizationForwardInference",
	"cudnnBatchNormalizationForwardTraining", "cudnnQueryRuntimeError", "cudnnGetProperty",
}

const core = "libfakecuda.so"

// build makes the libraries in dir for ONNX Runtime's CUDA provider, the file libonnxruntime_providers_cuda.so, built
// for CUDA 13. It needs Linux and a C compiler.
func build(dir, provider string) error {
	wanted, names, err := imports(provider)
	if err != nil {
		return err
	}
	var rest strings.Builder
	defined := definitions()
	for _, name := range slices.Concat(wanted, dnn) {
		if !slices.Contains(defined, name) {
			fmt.Fprintf(&rest, "int %s(void) { return 0; }\n", name)
			defined = append(defined, name)
		}
	}
	if err := compile(dir, core, source+rest.String(), "-lpthread"); err != nil {
		return err
	}
	for _, name := range slices.Concat(names, opened) { // empty ones that lead to the core
		if err := compile(dir, name, "", "-L"+dir, "-Wl,--no-as-needed", "-l:"+core, "-Wl,-rpath,$ORIGIN"); err != nil {
			return err
		}
	}
	return nil
}

// imports lists the functions that the provider takes from NVIDIA's libraries,
// and those libraries.
func imports(provider string) (functions, libraries []string, err error) {
	f, err := elf.Open(provider)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // only read
	needed, err := f.ImportedLibraries()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range needed {
		if strings.HasPrefix(name, "libcu") && !slices.Contains(opened, name) {
			libraries = append(libraries, name)
		}
	}
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return nil, nil, err
	}
	for _, s := range symbols {
		if strings.HasPrefix(s.Name, "cu") || strings.HasPrefix(s.Name, "__cuda") {
			functions = append(functions, s.Name)
		}
	}
	if len(functions) == 0 {
		return nil, nil, fmt.Errorf("%s takes nothing from CUDA", provider)
	}
	return functions, libraries, nil
}

var definition = regexp.MustCompile(`(?m)^(?:const )?[a-z_]\w* \**(\w+)\(`)

// definitions lists the functions of the source.
func definitions() []string {
	var names []string
	for _, m := range definition.FindAllStringSubmatch(source, -1) {
		names = append(names, m[1])
	}
	return names
}

func compile(dir, name, source string, args ...string) error {
	compiler := exec.Command("cc",
		append([]string{"-shared", "-fPIC", "-O1", "-w", "-x", "c", "-o", filepath.Join(dir, name), "-",
			"-Wl,-soname," + name}, args...)...)
	compiler.Stdin = strings.NewReader(source)
	var said bytes.Buffer
	compiler.Stdout, compiler.Stderr = &said, &said
	if err := compiler.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, said.String())
	}
	return nil
}

// variable names the environment variable with the path of a libonnxruntime
// that has a CUDA provider, for the tests that rehearse with one. No test needs
// NVIDIA's libraries.
const variable = "FX_TEST_GPU_LIB"

// prepare builds the fakes in dir and returns the variables under which a
// program runs on them, and ONNX Runtime on its CUDA provider. ok is false where
// variable is not set.
func prepare(dir string) (variables []string, ok bool, err error) {
	library := os.Getenv(variable)
	if library == "" {
		return nil, false, nil
	}
	if err := build(dir, filepath.Join(filepath.Dir(library), "libonnxruntime_providers_cuda.so")); err != nil {
		return nil, false, err
	}
	return []string{"LD_LIBRARY_PATH=" + dir, "FX_ORT_LIB=" + library, "FAKECUDA_LOG=" +
		filepath.Join(dir, "events")}, true, nil
}

// Event is a line of the log: what happened on which thread.
type Event struct {
	Thread string
	What   string // "allocate", "copy", "record", "recorded", "replay", "unsafe", …
	Rest   string
}

// Events reads the log of prepare's dir.
func Events(dir string) ([]Event, error) {
	text, err := os.ReadFile(filepath.Join(dir, "events"))
	if err != nil {
		return nil, err
	}
	var all []Event
	for line := range strings.Lines(string(text)) {
		var e Event
		e.Thread, line, _ = strings.Cut(strings.TrimSpace(line), " ")
		e.What, e.Rest, _ = strings.Cut(line, " ")
		all = append(all, e)
	}
	return all, nil
}
