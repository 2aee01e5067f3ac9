// Gpucheck checks on a machine with an NVIDIA GPU that fx computes there the same as on
// the CPU, and times it:
//
//	task gpu-check
//
// It runs the CUDA tests; twenty training steps of each network on CUDA beside the
// same steps on the CPU, in every precision; times training steps beside
// PyTorch's, if there is a Python with torch; compares and times `fx extract`; and times
// extraction, in float32 and float16, beside PyTorch and timm. It writes its report
// section by section, so that an interrupted run keeps its results. It exits with 1 if
// something differs too much, and with 7 if there is no GPU to check.
//
// It installs nothing and needs no network: fx and the test binaries, which
// `task gpu-check-build` builds, are beside it; it draws photos if there are none;
// weights come from a seed; and FX_ORT_LIB may name an ONNX Runtime. It can use NVIDIA's
// libraries of the Python that has torch. --device cpu rehearses everything, no GPU needed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fx/backbones"
	"fx/bench/internal/program"
	"fx/extract"
	"fx/finetune/artifacts"
	"fx/internal/fail"
)

func main() { program.Main("gpucheck", run) }

// sections are the parts of the check, in order.
var sections = []section{
	{"tests", checkTests},
	{"parity", checkParity},
	{"speed", checkSpeed},
	{"extract", checkExtract},
	{"extract-speed", checkExtractSpeed},
}

// section is a part of the check. It writes to the report and returns descriptions of
// what failed, or an error if it can't continue.
type section struct {
	name string
	run  func(ctx context.Context, o options, r *report) (failed []string, err error)
}

// families are the networks whose training is checked by default.
var families = []string{"resnet18", "alexnet", "vgg11_bn", "squeezenet1_0", "densenet121", "inception_v3"}

// options are the flags.
type options struct {
	fx, tests, python, data, out, device string
	only                                 []string
	backbones                            []string // nil: each section's own
	batch                                int
	tolerance                            float64
	steps                                int
	batches                              []int
	precisions                           []string
	seconds                              float64
	extractBatches                       []int // of extract-speed, as what follows
	extractPrecisions, peers             []string
	photos                               int
	minutes                              float64
	scratch                              string    // folder of this run
	log                                  io.Writer // progress
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{data: os.Getenv("FX_DATA_DIR"), log: stderr}
	beside := "."
	if executable, err := os.Executable(); err == nil {
		beside = filepath.Dir(executable)
	}
	flags := flag.NewFlagSet("gpucheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.fx, "fx", filepath.Join(beside, "fx"), "the fx to check")
	flags.StringVar(&o.tests, "tests", beside, "folder of test binaries, *.test")
	flags.StringVar(&o.python, "python", "python3", "a Python with torch and torchvision, to compare speed with")
	flags.StringVar(&o.data, "data", o.data, "folder of photos (default: $FX_DATA_DIR, else pictures drawn here)")
	flags.StringVar(&o.out, "out", "", "file for the table (default: out/gpu-check-GPU.md)")
	flags.StringVar(&o.device, "device", "cuda", "device to check; cpu rehearses the check without a GPU")
	only := flags.String("only", "", "comma-separated sections of "+sectionNames()+" (default: all)")
	names := flags.String("backbones", "",
		"comma-separated networks (default: fourteen for extract, the six of training else)")
	flags.IntVar(&o.batch, "batch-size", 32, "extract: photos in one run of the network")
	flags.Float64Var(&o.tolerance, "tolerance", 1e-3, "extract: largest relative L2 distance of a photo's features")
	flags.IntVar(&o.steps, "steps", 20, "parity: training steps")
	batches := flags.String("batches", "8,64", "speed: photos a step")
	precisions := flags.String("precisions", artifacts.Float32+","+artifacts.BFloat16, "speed: precisions")
	flags.Float64Var(&o.seconds, "seconds", 2, "speed, extract-speed: how long each is timed")
	extractBatches := flags.String("extract-batches", "64,256", "extract-speed: photos in one run of the network")
	extractPrecisions := flags.String("extract-precisions", extract.Float32+","+extract.Float16,
		"extract-speed: precisions")
	peers := flags.String("peers", "eager,timm,compile", "extract-speed: of PyTorch, what to time beside fx")
	flags.IntVar(&o.photos, "photos", 2000,
		"extract-speed: photos to extract, repeated under new names where there are fewer")
	flags.Float64Var(&o.minutes, "minutes", 8,
		"extract-speed: time after which nothing new is begun; fx takes half of it at most")
	if err := program.Parse(flags, args); err != nil {
		return o, err
	}
	o.only, o.backbones, o.precisions = split(*only), split(*names), split(*precisions)
	o.extractPrecisions, o.peers = split(*extractPrecisions), split(*peers)
	var err error
	if o.batches, err = sizes("--batches", *batches); err != nil {
		return o, err
	}
	if o.extractBatches, err = sizes("--extract-batches", *extractBatches); err != nil {
		return o, err
	}
	if o.photos < 1 || o.minutes <= 0 {
		return o, fail.New(fail.Usage, "Leave them out for 2000 photos and 8 minutes.", "--photos %d, --minutes %g",
			o.photos, o.minutes)
	}
	for _, peer := range o.peers {
		if !slices.Contains([]string{"eager", "timm", "compile"}, peer) {
			return o, fail.New(fail.Usage, "They are eager, timm and compile.", "--peers %s", *peers)
		}
	}
	for _, precision := range o.extractPrecisions {
		if bars[precision] == 0 {
			return o, fail.New(fail.Usage, "They are float32 and float16.", "--extract-precisions %s",
				*extractPrecisions)
		}
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return o, fail.New(fail.Usage, "They are "+sectionNames()+".", "unknown section %q", name)
		}
	}
	for _, name := range o.backbones {
		if _, err := backbones.Lookup(name); err != nil {
			return o, err
		}
	}
	if library := os.Getenv("FX_ORT_LIB"); library != "" { // the programs run in their own folders
		absolute, err := filepath.Abs(library)
		if err == nil {
			err = os.Setenv("FX_ORT_LIB", absolute)
		}
		if err != nil {
			return o, err
		}
	}
	fx, err := filepath.Abs(o.fx)
	o.fx = fx
	return o, err
}

// sizes reads a list of batch sizes.
func sizes(name, list string) (all []int, err error) {
	for _, text := range split(list) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fail.New(fail.Usage, "Give numbers such as 8,64.", "%s %s", name, list)
		}
		all = append(all, n)
	}
	return all, nil
}

func sectionNames() string {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// networks returns the networks of the training sections.
func (o options) networks() []string {
	if o.backbones != nil {
		return o.backbones
	}
	return families
}

func (o options) rehearsal() bool { return o.device == "cpu" }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if !o.rehearsal() {
		o.lendLibraries(ctx)
	}
	machine, err := examine(ctx, o)
	if err != nil {
		return err
	}
	if o.scratch, err = os.MkdirTemp("", "gpucheck-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(o.scratch) }() // stores and scripts of this run only
	if o.out == "" {
		o.out = filepath.Join("out", "gpu-check-"+slug(machine.gpu)+".md")
	}
	report, err := newReport(o.out, machine)
	if err != nil {
		return err
	}
	var failed []string
	for _, s := range sections {
		if o.only != nil && !slices.Contains(o.only, s.name) {
			continue
		}
		fmt.Fprintf(stderr, "gpucheck: %s\n", s.name)
		wrong, err := s.run(ctx, o, report)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // an error in one section must not stop the others
			wrong = append(wrong, err.Error())
			if err := report.add("**%s ended early**: %s\n\n", s.name, err); err != nil {
				return err
			}
		}
		for _, what := range wrong {
			failed = append(failed, s.name+": "+what)
		}
	}
	fmt.Fprint(stdout, report.text())
	fmt.Fprintf(stderr, "gpucheck: the table is in %s\n", o.out)
	if len(failed) > 0 {
		return errors.New("not all is as it should be:\n  " + strings.Join(failed, "\n  "))
	}
	return nil
}

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// slug returns a machine's name as part of a file name.
func slug(name string) string {
	return strings.Trim(unfit.ReplaceAllString(strings.ToLower(name), "-"), "-")
}
