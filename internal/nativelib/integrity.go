package nativelib

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/paths"
)

// Trust says what the SHA-256 of a library was compared with.
type Trust string

// What fx compares libraries with. It compares those in its own cache alone:
// one that the user names or that the system has is theirs.
const (
	TrustPinned    Trust = "pinned"    // what this fx pins for the system
	TrustGiven     Trust = "given"     // what `fx runtime install --sha256` was given
	TrustRecorded  Trust = "recorded"  // what was recorded when the library was installed
	trustUnchecked Trust = "unchecked" // nothing
)

// checkInstalled compares a file of an installation in fx's cache with what it
// must be. It is called before the file is opened as a library; the hash of a
// large file that has not changed is remembered. A folder without a record and
// one whose record has no hashes, both of earlier versions, are trustUnchecked.
func checkInstalled(ctx context.Context, dir, path string) (Trust, error) {
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return trustUnchecked, nil
	}
	if err != nil {
		return "", err
	}
	want, known := r.sha256Of(dir, path)
	if !known {
		return "", errors.New("is not among what was installed")
	}
	if want == "" {
		return trustUnchecked, nil
	}
	sum, _, err := filehash.RememberedSum(ctx, path)
	if err != nil {
		return "", errors.New(plainReason(err))
	}
	if sum != want {
		return "", fmt.Errorf("is not what was installed: its SHA-256 is %s, and it was %s", sum, want)
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return "", err
	}
	return r.trust(filepath.Base(dir), filepath.ToSlash(rel), sum)
}

// compared holds what checkOnce found right, by path.
var compared sync.Map

// checkOnce is checkInstalled for a main library, once in a process while the
// file stays as it is: Load follows Find, and where fx's cache can't be written
// to no hash is remembered.
func checkOnce(path string) error {
	now, err := os.Stat(path)
	if err != nil {
		return errors.New(plainReason(err))
	}
	if was, ok := compared.Load(path); ok {
		was := was.(fs.FileInfo)
		if os.SameFile(was, now) && was.Size() == now.Size() && was.ModTime().Equal(now.ModTime()) {
			return nil
		}
	}
	if _, err := checkInstalled(context.Background(), filepath.Dir(path), path); err != nil {
		return err
	}
	compared.Store(path, now)
	return nil
}

// trust says what a library, which has its recorded hash, is held to beside.
// Folder is the installation's name, name the library's path in it.
func (r *record) trust(folder, name, sum string) (Trust, error) {
	want := pinnedIn(folder, name)
	switch {
	case want == sum:
		return TrustPinned, nil
	case r.Given == sum:
		return TrustGiven, nil
	case r.HeldTo == TrustPinned && isONNXRuntime(name):
		return "", fmt.Errorf("has SHA-256 %s, which is not the pinned one, %s", sum, want)
	}
	return TrustRecorded, nil
}

// isONNXRuntime tells the libraries of ONNX Runtime, which lie in the
// installation itself, from NVIDIA's in folders below.
func isONNXRuntime(name string) bool { return !strings.Contains(name, "/") }

// pinnedIn is the hash that is pinned for a library of the installation in a folder of that name, or "".
func pinnedIn(folder, name string) string {
	for _, build := range []flavour{cpuBuild, gpuBuild} {
		if build.folder() == folder {
			p, _ := pinned(build)
			return p.sha256[name]
		}
	}
	return ""
}

// checkBeforeOpening is checkInstalled for a library that may lie in fx's cache or elsewhere.
func checkBeforeOpening(path string) error {
	root, err := paths.Cache("runtime")
	if err != nil {
		return nil // without a cache nothing lies in it
	}
	for _, build := range []flavour{cpuBuild, gpuBuild} {
		dir := filepath.Join(root, build.folder())
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			_, err := checkInstalled(context.Background(), dir, path)
			return err
		}
	}
	return nil
}

// Integrity returns the library's SHA-256, "" where it can't be read, and what it is compared with.
func (l Library) Integrity(ctx context.Context) (sum string, trust Trust) {
	sum, _, err := filehash.RememberedSum(ctx, l.Path)
	if err != nil {
		sum = ""
	}
	if l.Source != FromCache {
		return sum, trustUnchecked
	}
	if trust, err = checkInstalled(ctx, filepath.Dir(l.Path), l.Path); err != nil {
		trust = trustUnchecked // it changed since it was found
	}
	return sum, trust
}

// expectation is what an installation's libraries must be.
type expectation struct {
	build flavour
	given string // the main library's SHA-256, "" for the pinned ones
}

// newExpectation reads the user's SHA-256, which may be "".
func newExpectation(build flavour, given string) (expectation, error) {
	e := expectation{build, strings.ToLower(strings.TrimSpace(given))}
	if given != "" {
		if !filehash.IsSHA256(e.given) {
			return e, fail.New(fail.Usage, "`sha256sum FILE` prints it.",
				"--sha256 %q is no SHA-256 of 64 hexadecimal digits", given)
		}
		return e, nil
	}
	if _, known := pinned(build); !known {
		return e, fail.New(fail.Device, "Give the SHA-256 of the library that you trust with --sha256. "+byHand,
			"fx does not know the package %s for %s", build.requirement(), system())
	}
	return e, nil
}

// hold compares what was unpacked with what it must be, before any of it is
// opened, and puts the outcome into the record.
func (e expectation) hold(r *record, mainLibrary string) error {
	if e.given != "" {
		if sum := r.sums()[mainLibrary]; sum != e.given {
			return fail.New(fail.Device, "See where the package came from; nothing was installed.",
				"%s of the package %s has SHA-256 %s, and --sha256 says %s", mainLibrary, r.Requirement, sum, e.given)
		}
		r.HeldTo, r.Given = TrustGiven, e.given
		return nil
	}
	p, _ := pinned(e.build)
	sums := r.sums()
	for name, want := range p.sha256 {
		if _, there := sums[name]; !there {
			return e.refuse(r, "has no %s, whose SHA-256 must be %s", name, want)
		}
	}
	for name, sum := range sums {
		if !isONNXRuntime(name) {
			continue
		}
		switch want := p.sha256[name]; {
		case want == "":
			return e.refuse(r, "holds %s, which the package that fx knows does not", name)
		case sum != want:
			return e.refuse(r, "holds %s with SHA-256 %s, and it must be %s", name, sum, want)
		}
	}
	r.HeldTo = TrustPinned
	return nil
}

func (e expectation) refuse(r *record, format string, args ...any) error {
	return fail.New(fail.Device, "See where it came from, such as a mirror (PIP_INDEX_URL, pip's configuration). "+
		"If you trust it, give the SHA-256 of its main library: `"+e.build.installCommand()+" --sha256 …`.",
		"the package %s that %s fetched "+format, append([]any{r.Requirement, r.FetchedBy}, args...)...)
}

// installCommand is what a user runs to install the build.
func (f flavour) installCommand() string {
	if f == gpuBuild {
		return "fx runtime install --gpu"
	}
	return "fx runtime install"
}
