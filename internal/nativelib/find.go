package nativelib

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"fx/internal/dynlib"
	"fx/internal/fail"
	"fx/internal/ortapi"
	"fx/internal/paths"
)

// Library is a libonnxruntime that fx can use.
type Library struct {
	Path    string `json:"path"`
	Version string `json:"version"` // reported by the library: "1.31.1"
	Source  string `json:"source"`  // where it was found: "--ort-lib", "FX_ORT_LIB", "fx's cache", …
}

// Candidate is a place that Find looked at.
type Candidate struct {
	Source  string `json:"source"`
	Path    string `json:"path"`
	Version string `json:"version,omitempty"`
	Problem string `json:"problem,omitempty"` // why it can't be used, "" if it can
	altered bool   // it differs from what fx installed
}

// Sources of a library, in the order in which Find looks.
const (
	FromFlag        = "--ort-lib"
	FromEnvironment = "FX_ORT_LIB"
	FromCache       = "fx's cache"
	FromSystem      = "the system's loader"
	FromBeside      = "the folder of fx"
	fromVirtualEnv  = "the active virtual environment"
	fromOwnEnv      = "the Python environment of fx"
)

// Hint is the hint of errors about a library that is missing or unusable.
const Hint = "Run `fx runtime install`, " +
	"or name a libonnxruntime of version 1.24 or newer with --ort-lib or FX_ORT_LIB."

// Find returns the first usable libonnxruntime of: explicit (the flag --ort-lib: a file, or a folder that holds one),
// $FX_ORT_LIB, the folder of the program, fx's cache, the active virtual environment, the Python environment whose
// programs fx is among, the system's loader. If there is a GPU, the build for it in fx's cache comes before the folder
// of the program. An unusable library that the user
// named is an error, and so is one in fx's cache that has changed since its installation; after other failures the
// next place is tried. The error is of kind fail.Device and has a hint.
func Find(explicit string) (Library, error) {
	library, _, err := find(explicit, false)
	return library, err
}

// Survey is Find, but looks at every place and returns all candidates.
func Survey(explicit string) (Library, []Candidate, error) { return find(explicit, true) }

func find(explicit string, all bool) (Library, []Candidate, error) {
	var found Library
	var looked []Candidate
	var failure error
	for _, c := range candidates(explicit) {
		named := c.Source == FromFlag || c.Source == FromEnvironment
		if c.Problem == "" {
			c = probe(c)
		}
		looked = append(looked, c)
		switch {
		case c.Problem == "" && found.Path == "" && failure == nil:
			found = Library{Path: c.Path, Version: c.Version, Source: c.Source}
		case c.Problem != "" && named && found.Path == "" && failure == nil:
			hint := "Correct " + c.Source +
				", or leave it out: fx then searches for one, first where `fx runtime install` puts it."
			failure = fail.New(fail.Device, hint, "%s names %s: %s", c.Source, c.Path, c.Problem)
		case c.altered && found.Path == "" && failure == nil:
			failure = fail.New(fail.Device, "Run `"+installerOf(c.Path)+"`, which fetches it again.", "%s %s", c.Path,
				c.Problem)
		}
		if !all && (found.Path != "" || failure != nil) {
			break
		}
	}
	if found.Path == "" && failure == nil {
		failure = nothingFound(looked)
	}
	return found, looked, failure
}

func nothingFound(looked []Candidate) error {
	var reasons []string
	for _, c := range looked {
		if filepath.IsAbs(c.Path) { // without the names that the system's loader did not find
			reasons = append(reasons, fmt.Sprintf("%s: %s", c.Path, c.Problem))
		}
	}
	if len(reasons) == 0 {
		return fail.New(fail.Device, Hint, "no ONNX Runtime found")
	}
	return fail.New(fail.Device, Hint, "no usable ONNX Runtime found (%s)", strings.Join(reasons, "; "))
}

// candidates lists files in the order of preference. One with a Problem need not be opened.
func candidates(explicit string) []Candidate {
	var list []Candidate
	add := func(source string, files ...string) {
		for _, file := range files {
			list = append(list, Candidate{Source: source, Path: file})
		}
	}
	if explicit != "" {
		list = append(list, namedCandidate(FromFlag, explicit))
	}
	if path := os.Getenv("FX_ORT_LIB"); path != "" {
		list = append(list, namedCandidate(FromEnvironment, path))
	}
	flavours := flavoursInOrder()
	cached := func(builds ...flavour) {
		if root, err := paths.Cache("runtime"); err == nil {
			for _, build := range builds {
				add(FromCache, librariesIn(filepath.Join(root, build.folder()))...)
			}
		}
	}
	if flavours[0] == gpuBuild {
		cached(gpuBuild)
		flavours = flavours[1:]
	}
	program := programFolder()
	if program != "" {
		add(FromBeside, librariesIn(program)...)
	}
	cached(flavours...)
	for _, variable := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		add(fromVirtualEnv, librariesOfPackages(os.Getenv(variable))...)
	}
	add(fromOwnEnv, librariesOfPackages(ownEnvironment())...)
	add(FromSystem, systemNames()...)
	return list
}

// namedCandidate resolves the path that the user named: a file, or a folder that contains one.
func namedCandidate(source, path string) Candidate {
	c := Candidate{Source: source, Path: path}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.Problem = plainReason(err)
	case info.IsDir():
		inside := append(librariesIn(path), librariesIn(filepath.Join(path, "capi"))...)
		inside = append(inside, librariesIn(filepath.Join(path, "lib"))...)
		if len(inside) == 0 {
			c.Problem = "the folder contains no " + libraryPattern()
		} else {
			c.Path = inside[0]
		}
	}
	if absolute, err := filepath.Abs(c.Path); err == nil {
		c.Path = absolute
	}
	return c
}

// plainReason returns a file error without its operation and path.
func plainReason(err error) string {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}

// programFolder returns the folder of the program itself, not of a link to it; "" if it is unknown.
func programFolder() string {
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return ""
	}
	return filepath.Dir(program)
}

// ownEnvironment returns the root of the Python environment that fx is in if a wheel installed it: fx is in its folder
// bin or Scripts.
func ownEnvironment() string {
	if program := programFolder(); program != "" {
		return filepath.Dir(program)
	}
	return ""
}

// librariesOfPackages lists the libraries of the package onnxruntime in the Python environment at root.
func librariesOfPackages(root string) (all []string) {
	for _, site := range sitePackages(root) {
		all = append(all, librariesIn(filepath.Join(site, "onnxruntime", "capi"))...)
	}
	return all
}

// sitePackages lists the package folders of a Python or conda environment. Debian calls its own dist-packages.
func sitePackages(root string) []string {
	if root == "" {
		return nil
	}
	if runtime.GOOS == "windows" {
		return []string{filepath.Join(root, "Lib", "site-packages")}
	}
	found, _ := filepath.Glob(filepath.Join(root, "lib", "python*", "site-packages"))
	debian, _ := filepath.Glob(filepath.Join(root, "lib", "python*", "dist-packages"))
	return append(found, debian...)
}

func libraryPattern() string {
	switch runtime.GOOS {
	case "windows":
		return "onnxruntime.dll"
	case "darwin":
		return "libonnxruntime*.dylib"
	}
	return "libonnxruntime.so*"
}

func systemNames() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.dylib", "/opt/homebrew/lib/libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so.1", "libonnxruntime.so"}
}

// librariesIn lists the main libraries of a folder, newest version first.
func librariesIn(dir string) []string {
	found, _ := filepath.Glob(filepath.Join(dir, libraryPattern()))
	found = slices.DeleteFunc(found, func(path string) bool {
		return strings.Contains(filepath.Base(path), "_providers_")
	})
	slices.SortFunc(found, func(a, b string) int { return compareVersions(versionIn(b), versionIn(a)) })
	return found
}

var versionPattern = regexp.MustCompile(`\d+(\.\d+)+`)

func versionIn(path string) string { return versionPattern.FindString(filepath.Base(path)) }

// compareVersions orders "1.9.0" before "1.31.1". A part that is no number counts as 0.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		var x, y int
		if i < len(as) {
			x, _ = strconv.Atoi(as[i])
		}
		if i < len(bs) {
			y, _ = strconv.Atoi(bs[i])
		}
		if x != y {
			return x - y
		}
	}
	return 0
}

// AtLeast reports whether the library has the version, such as "1.31", or a newer one.
func (l Library) AtLeast(version string) bool { return compareVersions(l.Version, version) >= 0 }

var minimumVersion = fmt.Sprintf("1.%d", ortapi.Version)

// installerOf returns the command that installs the library at a path of fx's cache.
func installerOf(path string) string {
	if filepath.Base(filepath.Dir(path)) == gpuBuild.folder() {
		return gpuBuild.installCommand()
	}
	return cpuBuild.installCommand()
}

// probe opens the library of c, reads its version and closes it. A library of fx's cache is first compared with what
// was installed.
func probe(c Candidate) Candidate {
	if c.Source == FromCache {
		if err := checkOnce(c.Path); err != nil {
			c.Problem, c.altered = err.Error(), true
			return c
		}
	}
	if other := systemOf(c.Path); other != "" && other != system() {
		c.Problem = "is for " + other + ", and this machine is " + system()
		return c
	}
	opened, err := dynlib.Open(c.Path, false)
	if err != nil {
		c.Problem = strings.TrimPrefix(err.Error(), c.Path+": ")
		if !filepath.IsAbs(c.Path) {
			c.Problem = "not found"
		}
		return c
	}
	defer opened.Close()
	base := opened.Symbol("OrtGetApiBase")
	if base == nil {
		c.Problem = "is not ONNX Runtime (it has no OrtGetApiBase)"
		return c
	}
	if file := opened.File("OrtGetApiBase"); file != "" && filepath.IsAbs(file) {
		c.Path = file
	}
	c.Version = ortapi.LibraryVersion(base)
	if compareVersions(c.Version, minimumVersion) < 0 {
		c.Problem = fmt.Sprintf("is ONNX Runtime %s, but fx needs %s or newer", c.Version, minimumVersion)
	}
	return c
}
