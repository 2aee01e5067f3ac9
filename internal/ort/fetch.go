package ort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"fx/internal/fail"
	"fx/internal/progress"
)

// fetch gets the packages of a build into fetched and unpacks their libraries into unpacked.
func fetch(ctx context.Context, build flavour, fetched, unpacked string, report progress.Reporter) (record, error) {
	for _, dir := range []string{fetched, unpacked} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return record{}, fail.Wrap(fail.Device, err, "", "%s", dir)
		}
	}
	tool, err := findTool(ctx)
	if err != nil {
		return record{}, err
	}
	task := report.Begin("fetching "+build.requirement()+" with "+tool.name, 0, "packages")
	err = tool.fetch(ctx, build, fetched)
	task.End()
	if err != nil {
		return record{}, err
	}
	r := record{Requirement: build.requirement(), FetchedBy: tool.name, Packages: []recordedFile{}}
	if tool.name == "uv" {
		return r, fail.Wrap(fail.Device, takeUnpacked(ctx, fetched, unpacked), byHand, "unpacking")
	}
	wheels, err := filepath.Glob(filepath.Join(fetched, "*.whl"))
	if err != nil {
		return record{}, err
	}
	slices.Sort(wheels)
	for _, wheel := range wheels {
		if err := unpackWheel(ctx, wheel, unpacked, report); err != nil {
			return record{}, fail.Wrap(fail.Device, err, byHand, "unpacking")
		}
		if name := packageOf(wheel); !strings.HasPrefix(name, "onnxruntime") && !strings.HasPrefix(name, "nvidia") {
			continue // pip fetches Python packages beside, of which nothing is taken
		}
		sum, size, err := hashFile(ctx, wheel)
		if err != nil {
			return record{}, fail.Wrap(fail.Device, err, "", "%s", wheel)
		}
		r.Packages = append(r.Packages, recordedFile{Name: filepath.Base(wheel), Bytes: size, SHA256: sum})
		if err := os.Remove(wheel); err != nil { // the GPU's are large: never two copies of all
			return record{}, fail.Wrap(fail.Device, err, "", "%s", wheel)
		}
	}
	return r, nil
}

// tool is a program that fetches Python packages.
type tool struct {
	name    string // "pip" or "uv"
	command []string
}

// findTool looks for pip, then for uv.
func findTool(ctx context.Context) (tool, error) {
	for _, python := range []string{"python3", "python"} {
		if path, err := exec.LookPath(python); err == nil {
			if exec.CommandContext(ctx, path, "-m", "pip", "--version").Run() == nil {
				return tool{"pip", []string{path, "-m", "pip"}}, nil
			}
		}
	}
	for _, pip := range []string{"pip3", "pip"} {
		if path, err := exec.LookPath(pip); err == nil {
			return tool{"pip", []string{path}}, nil
		}
	}
	if path, err := exec.LookPath("uv"); err == nil {
		return tool{"uv", []string{path}}, nil
	}
	if ctx.Err() != nil {
		return tool{}, ctx.Err()
	}
	return tool{}, fail.New(fail.Device, "Install Python 3 with pip (Debian, Ubuntu: apt-get install python3-pip), or uv. "+byHand,
		"neither pip nor uv found, one of which fetches ONNX Runtime")
}

// fetch asks for what fits the Python at hand, and where there is nothing, for
// what fits a newer Python: only the libraries are taken, which all share.
func (t tool) fetch(ctx context.Context, build flavour, dir string) error {
	err := t.run(ctx, build, dir)
	var f *fetchError
	if platforms := wheelPlatforms(); errors.As(err, &f) && f.nothingFits && platforms != nil {
		if clearErr := clearDir(dir); clearErr != nil {
			return clearErr
		}
		err = t.run(ctx, build, dir, t.anyPython(platforms)...)
	}
	if errors.As(err, &f) {
		return f.explain(t, build)
	}
	return err
}

func (t tool) run(ctx context.Context, build flavour, dir string, extra ...string) error {
	args := slices.Clone(t.command[1:])
	if t.name == "uv" {
		args = append(args, "pip", "install", "--quiet", "--only-binary", ":all:", "--target", dir)
	} else {
		args = append(args, "download", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--only-binary=:all:", "--dest", dir)
	}
	if build == cpuBuild {
		args = append(args, "--no-deps") // the GPU's dependencies are NVIDIA's libraries
	}
	args = append(append(args, extra...), build.requirement())
	cmd := exec.CommandContext(ctx, t.command[0], args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // lets it remove its temporary files
	cmd.WaitDelay = 5 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return newFetchError(err, output.String())
	}
	return nil
}

// anyPython are the arguments that ask for the wheels of a Python that is not there.
func (t tool) anyPython(platforms []string) []string {
	if t.name == "uv" {
		return []string{"--python-version", "3.12"}
	}
	args := []string{"--python-version", "3.12", "--implementation", "cp", "--abi", "cp312", "--abi", "abi3", "--abi", "none"}
	for _, p := range platforms {
		args = append(args, "--platform", p)
	}
	return args
}

// wheelPlatforms are the platform tags of wheels for this system, nil where they are not known.
func wheelPlatforms() []string {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	switch {
	case runtime.GOOS == "linux" && machine != "":
		var all []string
		for _, glibc := range []string{"2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5"} {
			all = append(all, "manylinux_"+glibc+"_"+machine)
		}
		return append(all, "manylinux2014_"+machine, "linux_"+machine, "any")
	case runtime.GOOS == "darwin" && runtime.GOARCH == "arm64":
		return []string{"macosx_14_0_arm64", "macosx_13_0_arm64", "macosx_11_0_arm64", "any"}
	}
	return nil
}

func clearDir(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o777)
}

// fetchError is what pip or uv said as it failed.
type fetchError struct {
	err         error
	lines       []string
	noNetwork   bool
	nothingFits bool // the index answered, without a package for this Python and system
}

func newFetchError(err error, output string) *fetchError {
	f := &fetchError{err: err}
	for _, line := range strings.Split(output, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "WARNING: You are using pip") {
			f.lines = append(f.lines, line)
		}
	}
	text := strings.ToLower(output)
	mentions := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	f.noNetwork = mentions("newconnectionerror", "name resolution", "max retries exceeded", "connection refused",
		"network is unreachable", "timed out", "proxyerror", "dns error", "failed to fetch", "error sending request",
		"(from versions: none)") // pip's last word where it got no answer at all
	f.nothingFits = !f.noNetwork && mentions("no matching distribution", "could not find a version", "no solution found", "has no wheels")
	return f
}

func (f *fetchError) Error() string { return f.err.Error() }

func (f *fetchError) explain(t tool, build flavour) error {
	last := f.lines[max(0, len(f.lines)-3):]
	said := strings.Join(last, " / ")
	switch {
	case f.noNetwork:
		return fail.New(fail.Device, fmt.Sprintf("Check the network, or have %s use a mirror (PIP_INDEX_URL). %s", t.name, byHand),
			"%s gets no answer from its package index about %s: %s", t.name, build.requirement(), said)
	case f.nothingFits:
		return fail.New(fail.Device, byHand, "there is no package %s for %s/%s: %s", build.requirement(), runtime.GOOS, runtime.GOARCH, said)
	case strings.Contains(strings.ToLower(said), "no space left"):
		return fail.New(fail.DiskFull, "Free some space, or set FX_CACHE_DIR and TMPDIR to a larger disk.", "%s: %s", t.name, said)
	}
	return fail.New(fail.Device, byHand, "%s failed to fetch %s (%v): %s", t.name, build.requirement(), f.err, said)
}
