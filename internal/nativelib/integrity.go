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
	"fx/internal/lockfile"
	"fx/internal/paths"
)

// Trust is what the SHA-256 of a library was compared with.
type Trust string

// Values of Trust. fx checks only the libraries in its cache, not those that the user names or of the system.
const (
	TrustPinned    Trust = "pinned"    // the hash that this fx pins for the system
	TrustGiven     Trust = "given"     // the hash given to `fx runtime install --sha256`
	TrustRecorded  Trust = "recorded"  // the hash recorded when the library was installed
	trustUnchecked Trust = "unchecked" // nothing
)

// checkInstalled compares a file of an installation in fx's cache with its expected hash. It is called before the file
// is opened as a library. The hash of a large file that has not changed is remembered. A folder without a record, or
// with a record without hashes, is of an earlier version and trustUnchecked.
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
		return "", errors.New("is not one of the installed files")
	}
	if want == "" {
		return trustUnchecked, nil
	}
	sum, _, err := filehash.RememberedSum(ctx, path)
	if err != nil {
		return "", errors.New(plainReason(err))
	}
	if sum != want {
		return "", fmt.Errorf("is not what was installed: its SHA-256 is %s, but it was %s", sum, want)
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return "", err
	}
	return r.trust(filepath.Base(dir), filepath.ToSlash(rel), sum)
}

// compared holds the files that checkOnce verified, by path.
var compared sync.Map

// checkOnce is checkInstalled for a main library, but runs once in a process while the file does not change, because
// Load follows Find, and a read-only cache remembers no hash.
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

// trust checks a library with its recorded hash against the pinned hash, too. folder is the installation's name, name
// the library's path in it.
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

// isONNXRuntime reports whether a library is of ONNX Runtime: these are in the installation's folder, NVIDIA's in
// folders below.
func isONNXRuntime(name string) bool { return !strings.Contains(name, "/") }

// pinnedIn returns the pinned hash of a library in the installation of that folder name, or "".
func pinnedIn(folder, name string) string {
	for _, build := range []flavour{cpuBuild, gpuBuild} {
		if build.folder() == folder {
			p, _ := pinned(build)
			return p.sha256[name]
		}
	}
	return ""
}

// checkBeforeOpening is checkInstalled for a library that may be outside fx's cache.
func checkBeforeOpening(path string) error {
	root, err := paths.Cache("runtime")
	if err != nil {
		return nil // there is no cache
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

// Integrity returns the library's SHA-256, "" if it can't be read, and what it was compared with.
func (l Library) Integrity(ctx context.Context) (sum string, trust Trust) {
	sum, _, err := filehash.RememberedSum(ctx, l.Path)
	if err != nil {
		sum = ""
	}
	if l.Source != FromCache {
		return sum, trustUnchecked
	}
	if trust, err = checkInstalled(ctx, filepath.Dir(l.Path), l.Path); err != nil {
		trust = trustUnchecked // it has changed since it was found
	}
	return sum, trust
}

// expectation holds the expected hashes of an installation's libraries.
type expectation struct {
	build flavour
	given string        // the main library's SHA-256, "" for the pinned ones
	lock  lockfile.Lock // that the main library must match
}

// newExpectation parses the user's SHA-256, which may be "".
func newExpectation(build flavour, given string, lock lockfile.Lock) (expectation, error) {
	e := expectation{build, strings.ToLower(strings.TrimSpace(given)), lock}
	if given != "" && !filehash.IsSHA256(e.given) {
		return e, fail.New(fail.Usage, "`sha256sum FILE` prints it.",
			"--sha256 %q is not a SHA-256 of 64 hexadecimal digits", given)
	}
	return e, nil
}

// hold compares the unpacked libraries with their expected hashes before any is opened, and records what they were
// compared with. If any build will do, one that is not pinned is held to the record alone.
func (e expectation) hold(r *record, mainLibrary string, anyBuild bool) error {
	if err := e.lock.Check(e.lockInput(r, mainLibrary)); err != nil {
		return err
	}
	if e.given != "" {
		if sum := r.sums()[mainLibrary]; sum != e.given {
			return fail.New(fail.Device, "Check the source of the package; nothing was installed.",
				"%s of the package %s has SHA-256 %s, but --sha256 is %s", mainLibrary, r.Requirement, sum, e.given)
		}
		r.HeldTo, r.Given = TrustGiven, e.given
		return nil
	}
	switch err := e.holdToPins(r); {
	case err == nil:
		r.HeldTo = TrustPinned
	case anyBuild:
		r.HeldTo = TrustRecorded
	default:
		return err
	}
	return nil
}

// holdToPins compares ONNX Runtime's libraries with the pinned hashes.
func (e expectation) holdToPins(r *record) error {
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
			return e.refuse(r, "contains %s, which the pinned package does not", name)
		case sum != want:
			return e.refuse(r, "contains %s with SHA-256 %s, which must be %s", name, sum, want)
		}
	}
	return nil
}

// lockName is the name of the build's main library in a lock, which may hold those of several systems.
func (f flavour) lockName() string { return "runtime/" + system() + "/" + string(f) }

// lockInput returns the entry of a recorded main library for a lock.
func (e expectation) lockInput(r *record, mainLibrary string) lockfile.Input {
	in := lockfile.Input{Name: e.build.lockName(), File: mainLibrary}
	for _, f := range r.Files {
		if f.Name == mainLibrary {
			in.SHA256, in.Bytes = f.SHA256, f.Bytes
		}
	}
	return in
}

// pinnedByLock reports whether the lock names the pinned main library, or none. Otherwise no package has the library
// that the lock names.
func (e expectation) pinnedByLock() (bool, error) {
	in, locked, err := e.lock.Want(e.build.lockName())
	p, _ := pinned(e.build)
	return !locked || p.sha256[in.File] == in.SHA256, err
}

func (e expectation) refuse(r *record, format string, args ...any) error {
	return fail.New(fail.Device, "Check its source, such as a mirror (PIP_INDEX_URL, pip's configuration). "+
		"If you trust it, give the SHA-256 of its main library: `"+e.build.installCommand()+" --sha256 …`.",
		"the package %s that %s fetched "+format, append([]any{r.Requirement, r.FetchedBy}, args...)...)
}

// installCommand returns the command that installs the build.
func (f flavour) installCommand() string {
	if f == gpuBuild {
		return "fx runtime install --gpu"
	}
	return "fx runtime install"
}
