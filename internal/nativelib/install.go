package nativelib

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"fx/internal/cuda"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/paths"
	"fx/internal/progress"
)

// InstallOptions select what Install fetches.
type InstallOptions struct {
	// GPU selects the build with the CUDA provider and NVIDIA's libraries (several gigabytes) instead of the CPU's.
	GPU bool
	// Force fetches again what is already installed.
	Force bool
	// SHA256, in hexadecimal digits, replaces fx's pinned hash of the main library: for another build, from a mirror.
	SHA256 string
}

// flavour is a build of ONNX Runtime.
type flavour string

const (
	cpuBuild flavour = "cpu"
	gpuBuild flavour = "gpu"
)

// folder returns the flavour's folder below fx's cache folder "runtime".
func (f flavour) folder() string { return "onnxruntime-" + Version + "-" + string(f) }

// requirement returns the requirement for pip.
func (f flavour) requirement() string {
	if f == gpuBuild {
		return "onnxruntime-gpu[cuda,cudnn]==" + Version
	}
	return "onnxruntime==" + Version
}

// flavoursInOrder returns the GPU's build first if there is a driver. It runs on the CPU too.
func flavoursInOrder() []flavour {
	if cuda.Installed() {
		return []flavour{gpuBuild, cpuBuild}
	}
	return []flavour{cpuBuild, gpuBuild}
}

// byHand ends the hints of every failed installation.
const byHand = "By hand: get a libonnxruntime of version 1.24 or newer and name it with --ort-lib or FX_ORT_LIB."

// Install fetches ONNX Runtime as a Python package, with pip or uv, and unpacks only its libraries into fx's cache;
// then it installs TurboJPEG if needed. The libraries must have the SHA-256 that fx pins, or that options give, before
// any is opened; NVIDIA's packages must be those of their first use. An intact installation (by its recorded SHA-256)
// is kept. A killed Install leaves nothing that is used; concurrent ones wait for each other. Errors are of kind
// fail.Device, with a hint on installing by hand.
func Install(ctx context.Context, options InstallOptions, report progress.Reporter) (Library, error) {
	build := cpuBuild
	if options.GPU {
		build = gpuBuild
	}
	expected, err := newExpectation(build, options.SHA256)
	if err != nil {
		return Library{}, err
	}
	root, err := paths.Cache("runtime")
	if err != nil {
		return Library{}, err
	}
	if err := os.MkdirAll(root, 0o777); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "Set FX_CACHE_DIR to a folder that fx may write.", "fx's cache")
	}
	unlock, err := waitLock(ctx, filepath.Join(root, "lock"), func() {
		report.Note("another fx is installing into " + root + "; waiting for it")
	})
	if err != nil {
		return Library{}, err
	}
	defer unlock()
	if err := removeLeftovers(root); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "Remove it by hand.", "the files of a killed installation")
	}

	library, err := installRuntime(ctx, root, expected, options.Force, report)
	if err != nil {
		return Library{}, err
	}
	installTurboJPEG(ctx, root, options.Force, report)
	return library, ctx.Err()
}

// waitLock waits for the lock of fx's cache. It calls waiting once if it has to wait. The system releases the lock
// when the process ends.
func waitLock(ctx context.Context, path string, waiting func()) (release func(), err error) {
	release, err = durable.WaitLock(ctx, path, waiting)
	if err != nil && ctx.Err() == nil {
		const hint = "Set FX_CACHE_DIR to a folder that fx may write and whose disk has locks."
		return nil, fail.Wrap(fail.Device, err, hint, "the lock of fx's cache")
	}
	return release, err
}

// Prefixes of the folders of an installation that is running or was killed.
const (
	stagingPrefix = ".installing-"
	oldPrefix     = ".replaced-"
)

// removeLeftovers removes what a killed Install left. The caller must hold the lock.
func removeLeftovers(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagingPrefix) || strings.HasPrefix(e.Name(), oldPrefix) {
			if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func installRuntime(
	ctx context.Context, root string, expected expectation, force bool, report progress.Reporter,
) (Library, error) {
	build := expected.build
	target := filepath.Join(root, build.folder())
	if !force {
		library, why := usable(ctx, target, expected.given)
		if why == "" {
			report.Note("ONNX Runtime " + library.Version + " (" + string(build) + ") is already installed: " +
				library.Path)
			return library, nil
		}
		if ctx.Err() != nil {
			return Library{}, ctx.Err()
		}
		if _, err := os.Stat(target); err == nil {
			report.Note(target + " is not usable (" + why + "); fetching it again")
		}
	}
	if build == gpuBuild && runtime.GOOS == "darwin" {
		return Library{}, fail.New(fail.Device, "Leave --gpu out.", "there is no CUDA on macOS")
	}
	staging, err := os.MkdirTemp(root, stagingPrefix)
	if err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "Set FX_CACHE_DIR to a folder that fx may write.", "fx's cache")
	}
	defer func() { _ = os.RemoveAll(staging) }() // the next Install removes what is left
	unpacked := filepath.Join(staging, "unpacked")
	r, err := fetchPackages(ctx, build, filepath.Join(staging, "fetched"), unpacked, report)
	if err != nil {
		return Library{}, err
	}
	if err := r.hash(ctx, unpacked); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "", "%s", unpacked)
	}
	if err := expected.hold(&r, mainLibrary(unpacked)); err != nil {
		return Library{}, err
	}
	if _, why := libraryOf(unpacked); why != "" {
		return Library{}, fail.New(fail.Device, byHand,
			"the package %s does not work on this system: %s", build.requirement(), why)
	}
	if err := r.write(unpacked); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "", "%s", unpacked)
	}
	if err := swap(unpacked, target); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "", "%s", target)
	}
	library, why := libraryOf(target)
	if why != "" {
		return Library{}, fail.New(fail.Device, byHand, "%s: %s", target, why)
	}
	return library, nil
}

// usable returns the library of a finished installation, or why it can't be used. The main library must have the
// SHA-256 given, if any.
func usable(ctx context.Context, dir, given string) (Library, string) {
	r, err := readRecord(dir)
	if err != nil {
		return Library{}, err.Error()
	}
	if err := r.verify(ctx, dir); err != nil {
		return Library{}, err.Error()
	}
	if sum := r.sums()[mainLibrary(dir)]; given != "" && sum != given {
		return Library{}, "its library has SHA-256 " + sum
	}
	return libraryOf(dir)
}

// mainLibrary returns the name of the library in dir that fx opens, "" if there is none.
func mainLibrary(dir string) string {
	files := librariesIn(dir)
	if len(files) == 0 {
		return ""
	}
	return filepath.Base(files[0])
}

// libraryOf opens the main library of a folder, or returns why it can't.
func libraryOf(dir string) (Library, string) {
	name := mainLibrary(dir)
	if name == "" {
		return Library{}, "it contains no " + libraryPattern()
	}
	c := probe(Candidate{Source: FromCache, Path: filepath.Join(dir, name)})
	return Library{Path: c.Path, Version: c.Version, Source: FromCache}, c.Problem
}

// swap replaces target with a finished folder. Processes that have the old one open keep it.
func swap(finished, target string) error {
	if err := durable.SyncDir(finished); err != nil {
		return err
	}
	old, err := os.MkdirTemp(filepath.Dir(target), oldPrefix)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(old) }() // the next Install removes what is left
	if err := os.Rename(target, filepath.Join(old, "old")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Rename(finished, target); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(target))
}
