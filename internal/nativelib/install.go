package nativelib

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"fx/internal/cuda"
	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/lockfile"
	"fx/internal/paths"
	"fx/internal/progress"
	"fx/internal/wheel"
)

// InstallOptions select what Install fetches.
type InstallOptions struct {
	// GPU selects the build with the CUDA provider and NVIDIA's libraries (several gigabytes) instead of the CPU's.
	GPU bool
	// Force fetches again what is already installed.
	Force bool
	// SHA256, in hexadecimal digits, replaces fx's pinned hash of the main library: for another build, from a mirror.
	SHA256 string
	// From is the file or the http(s) address of an archive, a wheel or a library, which is always installed anew. With
	// "", Install fetches the Python package, or the release archive if there is no tool for that or it fails.
	From string
	// Lock must name the main library, or gets its entry. A library that the user names is in no lock.
	Lock lockfile.Lock
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
const byHand = "By hand: get a libonnxruntime of version 1.24 or newer and give it to `fx runtime install --from " +
	"FILE`, or name it in FX_ORT_LIB."

// Install fetches ONNX Runtime as a Python package with pip or uv, or from its release archive, or takes options.From,
// and unpacks only its libraries into fx's cache; then it installs TurboJPEG if needed. A package's libraries must have
// the SHA-256 that fx pins, or that options give, before any is opened. The release archive and NVIDIA's packages must
// be those of their first use. An intact installation (by its recorded SHA-256) is kept. A killed Install leaves
// nothing that is used, and the next one continues its download; concurrent ones wait for each other. Errors are of
// kind fail.Device, with a hint on installing by hand; fail.Usage for wrong options; fail.Model for another library
// than the lock's.
func Install(ctx context.Context, options InstallOptions, report progress.Reporter) (Library, error) {
	build := cpuBuild
	if options.GPU {
		build = gpuBuild
	}
	if options.From != "" && options.Lock != nil {
		return Library{}, fail.New(fail.Usage, "Give the SHA-256 of the library with --sha256.",
			"--from and --lock exclude each other: a lock lists what fx chose")
	}
	expected, err := newExpectation(build, options.SHA256, options.Lock)
	if err != nil {
		return Library{}, err
	}
	if _, err := expected.pinnedByLock(); err != nil { // the lock can't be read
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

	i := installation{root: root, expected: expected, report: report}
	library, err := i.run(ctx, options)
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

// installation is one run of Install.
type installation struct {
	root     string // fx's cache folder "runtime", which is locked
	staging  string // a folder in root that is removed at the end
	unpacked string // a folder in staging with the libraries, which becomes the build's folder
	expected expectation
	report   progress.Reporter
}

// downloads is the folder of archives, and of their parts for the next Install.
func (i installation) downloads() string { return filepath.Join(i.root, "downloads") }

func (i installation) run(ctx context.Context, options InstallOptions) (Library, error) {
	build := i.expected.build
	target := filepath.Join(i.root, build.folder())
	if !options.Force && options.From == "" {
		library, why := i.usable(ctx, target)
		if why == "" {
			i.report.Note("ONNX Runtime " + library.Version + " (" + string(build) + ") is already installed: " +
				library.Path)
			return library, i.addToLock(ctx, target)
		}
		if ctx.Err() != nil {
			return Library{}, ctx.Err()
		}
		if _, err := os.Stat(target); err == nil {
			i.report.Note(target + " is not usable (" + why + "); fetching it again")
		}
	}
	if build == gpuBuild && runtime.GOOS == "darwin" {
		return Library{}, fail.New(fail.Device, "Leave --gpu out.", "there is no CUDA on macOS")
	}
	var err error
	if i.staging, err = os.MkdirTemp(i.root, stagingPrefix); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "Set FX_CACHE_DIR to a folder that fx may write.", "fx's cache")
	}
	defer func() { _ = os.RemoveAll(i.staging) }() // the next Install removes what is left
	i.unpacked = filepath.Join(i.staging, "unpacked")
	r, err := i.fetch(ctx, options.From)
	if err != nil {
		return Library{}, err
	}
	if err := r.write(i.unpacked); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "", "%s", i.unpacked)
	}
	if err := swap(i.unpacked, target); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "", "%s", target)
	}
	_ = os.RemoveAll(i.downloads()) // the next Install may use them or remove them
	library, why := libraryOf(target)
	if why != "" {
		return Library{}, fail.New(fail.Device, byHand, "%s: %s", target, why)
	}
	return library, i.addToLock(ctx, target)
}

// fetch fills i.unpacked with verified libraries.
func (i installation) fetch(ctx context.Context, from string) (record, error) {
	if from != "" {
		return i.fromUser(ctx, from)
	}
	build := i.expected.build
	_, known := pinned(build)
	if !known && i.expected.given == "" {
		return record{}, noBuild(build)
	}
	packaged, err := i.expected.pinnedByLock()
	if err != nil {
		return record{}, err
	}
	if !packaged {
		return i.fromRelease(ctx)
	}
	r, err := i.fromPackages(ctx)
	var failed *wheel.Error
	if !known || !errors.As(err, &failed) || failed.Reason == wheel.DiskFull {
		return r, err
	}
	i.report.Note(failed.Error() + "; fetching the release archive instead")
	if r, err = i.fromRelease(ctx); err != nil && ctx.Err() == nil {
		return r, fail.Wrap(fail.KindOf(err), err, "", "%v, and the release archive is not available either", failed)
	}
	if build == gpuBuild && err == nil {
		i.report.Note("the release archive has no libraries of NVIDIA: CUDA 13 and cuDNN 9 must be installed " +
			"(`fx runtime doctor` looks for them); pip or uv would fetch them")
	}
	return r, err
}

// noBuild is the error for a system without official builds.
func noBuild(build flavour) error {
	return fail.New(fail.Device, "Give the SHA-256 of the library that you trust with --sha256, or name an archive or "+
		"a library with --from. "+byHand, "fx has no hash of the package %s for %s", build.requirement(), system())
}

// verify hashes the unpacked libraries, compares them with what is expected, and opens the main one.
func (i installation) verify(ctx context.Context, r *record, anyBuild bool) (Library, error) {
	if err := r.hash(ctx, i.unpacked); err != nil {
		return Library{}, fail.Wrap(fail.Device, err, "", "%s", i.unpacked)
	}
	if err := i.expected.hold(r, mainLibrary(i.unpacked), anyBuild); err != nil {
		return Library{}, err
	}
	library, why := libraryOf(i.unpacked)
	if why == "" {
		return library, nil
	}
	hint := byHand
	if anyBuild {
		hint = archiveHint(i.expected.build)
	}
	return Library{}, fail.New(fail.Device, hint, "%s does not work on this system: %s", r.Requirement, why)
}

// addToLock adds the installed main library to the lock.
func (i installation) addToLock(ctx context.Context, dir string) error {
	if i.expected.lock == nil {
		return nil
	}
	r, err := readRecord(dir)
	if err != nil {
		return fail.Wrap(fail.Device, err, byHand, "%s", dir)
	}
	return i.expected.lock.Hold(ctx, i.expected.lockInput(&r, mainLibrary(dir)))
}

// usable returns the library of a finished installation, or why it can't be used. The main library must be the one
// that is expected, if any is.
func (i installation) usable(ctx context.Context, dir string) (Library, string) {
	r, err := readRecord(dir)
	if err != nil {
		return Library{}, err.Error()
	}
	if err := r.verify(ctx, dir); err != nil {
		return Library{}, err.Error()
	}
	if sum := r.sums()[mainLibrary(dir)]; i.expected.given != "" && sum != i.expected.given {
		return Library{}, "its library has SHA-256 " + sum
	}
	if err := i.expected.lock.Check(i.expected.lockInput(&r, mainLibrary(dir))); err != nil {
		return Library{}, err.Error()
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
