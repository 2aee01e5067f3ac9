package nativelib

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/filehash"
	"fx/internal/lockfile"
)

// mirrorVariable is the environment variable with an address that replaces releases.
const mirrorVariable = "FX_ORT_MIRROR"

// downloadHint is the hint if neither a package nor the release archive can be fetched.
const downloadHint = "Check the network and the proxy (HTTPS_PROXY), or set a mirror: PIP_INDEX_URL for pip, " +
	"UV_DEFAULT_INDEX for uv, " + mirrorVariable + " in place of " + releases + ". Or fetch the archive on another " +
	"machine and install it here: `fx runtime install --from FILE`."

// fromRelease downloads the release archive and takes its libraries.
func (i installation) fromRelease(ctx context.Context) (record, error) {
	p, known := pinned(i.expected.build)
	if !known {
		return record{}, noBuild(i.expected.build)
	}
	mirror := os.Getenv(mirrorVariable)
	if mirror == "" {
		mirror = releases
	} else if _, ok := parseAddress(mirror); !ok {
		return record{}, fail.New(fail.Usage, "It replaces "+releases+".", "%s=%s is not an http or https address",
			mirrorVariable, mirror)
	}
	r, err := i.download(ctx, strings.TrimRight(mirror, "/")+"/v"+Version+"/"+p.archive, p.archive, Version)
	return r, explainDownload(err, downloadHint)
}

// explainDownload adds a kind to an error of download, and a hint unless the file is wrong and has a better one.
func explainDownload(err error, hint string) error {
	if errors.Is(err, fetch.ErrDigest) && fail.HintOf(err) != "" {
		hint = ""
	}
	kind := fail.Device
	if errors.Is(err, lockfile.ErrHeld) {
		kind = fail.Model
	}
	return fail.Wrap(kind, err, hint, "")
}

// fromUser takes the libraries of the file or address that the user named.
func (i installation) fromUser(ctx context.Context, from string) (record, error) {
	if strings.Contains(from, "://") {
		return i.fromAddress(ctx, from)
	}
	info, err := os.Stat(from)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		return record{}, fail.Wrap(fail.Usage, err, "Name an archive (.tgz, .zip, .whl) or a library.", "--from %s",
			from)
	}
	sum, size, err := filehash.Sum(ctx, from)
	if err != nil {
		return record{}, fail.Wrap(fail.Usage, err, "", "--from %s", from)
	}
	name := filepath.Base(from)
	r := record{Requirement: name, FetchedBy: "fx", Packages: []recordedFile{{Name: name, Bytes: size, SHA256: sum}}}
	take := func() error { return i.take(ctx, from, &r, "") }
	if p, known := pinned(i.expected.build); known && p.archive == name { // this name has one content
		_, err = fetch.RecordChecked(fetch.Entry{Name: name, SHA256: sum, Bytes: size, From: from}, take)
	} else {
		err = take()
	}
	return r, fail.Wrap(fail.Device, err, "", "--from")
}

func (i installation) fromAddress(ctx context.Context, from string) (record, error) {
	address, ok := parseAddress(from)
	if !ok {
		return record{}, fail.New(fail.Usage, "Give an address that begins with http:// or https://.",
			"--from %s is not an address that fx can fetch", from)
	}
	name := path.Base(address.Path)
	if name == "." || name == "/" {
		name = "onnxruntime"
	}
	r, err := i.download(ctx, from, name, "")
	return r, explainDownload(err, "Check the address, the network and the proxy (HTTPS_PROXY), or fetch the file on "+
		"another machine and name it here with --from.")
}

func parseAddress(text string) (address *url.URL, ok bool) {
	address, err := url.Parse(text)
	return address, err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != ""
}

// download fetches an address as a file called name and takes the libraries in it. The main library must have the
// version, if it is not "". What was received of a file that is not refused stays for the next Install.
func (i installation) download(ctx context.Context, address, name, version string) (record, error) {
	defer func() { // the caller holds the lock of all installations
		_ = os.Remove(filepath.Join(i.downloads(), name+".lock"))
		_ = os.Remove(i.downloads()) // unless it has a part
	}()
	r := record{Requirement: name, FetchedBy: "fx"}
	got, err := fetch.Get(ctx, fetch.File{URL: address, Path: filepath.Join(i.downloads(), name),
		Check: func(path string) error { return i.take(ctx, path, &r, version) }}, i.report)
	if err != nil {
		return r, err
	}
	i.report.Note(name + ": " + got.Seen.Say(got.SHA256))
	r.Packages = []recordedFile{{Name: name, Bytes: got.Bytes, SHA256: got.SHA256}}
	return r, nil
}

// take unpacks the libraries of an archive, a wheel or a library itself and verifies them.
func (i installation) take(ctx context.Context, file string, r *record, version string) error {
	if err := os.RemoveAll(i.unpacked); err != nil { // of an earlier file, which was refused
		return err
	}
	form, err := formOf(file)
	if err != nil {
		return err
	}
	wrong := func(format string, args ...any) error {
		return fail.New(fail.Device, archiveHint(i.expected.build), "%s "+format,
			append([]any{r.Requirement}, args...)...)
	}
	switch form {
	case formZip:
		err = unpackZip(ctx, file, r.Requirement, i.unpacked, i.report)
	case formGzip:
		err = unpackTar(ctx, file, r.Requirement, i.unpacked, i.report)
	case formLibrary:
		err = i.copyLibrary(ctx, file, r.Requirement)
	case formPage:
		return wrong("is a web page, such as a log-in page")
	default:
		return wrong("is neither an archive (.tgz, .zip, .whl) nor a library")
	}
	if err != nil {
		return fail.Wrap(fail.Device, err, archiveHint(i.expected.build), "%s", r.Requirement)
	}
	main := mainLibrary(i.unpacked)
	if main == "" {
		return wrong("%s", otherContent(i.unpacked))
	}
	if err := prune(i.unpacked, main, i.expected.build); err != nil {
		return err
	}
	provider := filepath.Base(Library{Path: main}.cudaProviderFile())
	if i.expected.build == gpuBuild {
		if _, err := os.Stat(filepath.Join(i.unpacked, provider)); errors.Is(err, fs.ErrNotExist) {
			return wrong("has no %s: it is a build for the CPU", provider)
		}
	}
	library, err := i.verify(ctx, r, true)
	if err == nil && version != "" && library.Version != version {
		return wrong("contains ONNX Runtime %s, and not %s", library.Version, version)
	}
	return err
}

// archiveHint names the archive that fits this system.
func archiveHint(build flavour) string {
	p, known := pinned(build)
	if !known {
		return byHand
	}
	return fmt.Sprintf("For %s, the archive is %s/v%s/%s. `%s --from` takes it, or a wheel of %s.", system(), releases,
		Version, p.archive, build.installCommand(), build.requirement())
}

// otherContent says what dir has instead of a main library of this system.
func otherContent(dir string) string {
	entries, _ := os.ReadDir(dir) // not there if the archive had nothing
	for _, e := range entries {
		if other := systemOf(filepath.Join(dir, e.Name())); other != "" {
			return fmt.Sprintf("is for %s (it contains %s), and this machine is %s", other, e.Name(), system())
		}
	}
	return "contains no " + libraryPattern() + " in a folder lib"
}

// copyLibrary puts the main library into the folder of what was unpacked, under a name that Find looks for.
func (i installation) copyLibrary(ctx context.Context, file, name string) error {
	if match, err := filepath.Match(libraryPattern(), name); err != nil || !match {
		name = strings.ReplaceAll(libraryPattern(), "*", "")
	}
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	info, err := from.Stat()
	if err != nil {
		return err
	}
	return writeNew(ctx, filepath.Join(i.unpacked, name), from, info.Size())
}

// prune removes what an archive has beside the libraries of the build: copies of the main library that stand for
// links, and the CUDA provider for the CPU.
func prune(dir, main string, build flavour) error {
	needless := slices.DeleteFunc(librariesIn(dir), func(path string) bool { return filepath.Base(path) == main })
	if build == cpuBuild {
		needless = append(needless, filepath.Join(dir, filepath.Base(Library{Path: main}.cudaProviderFile())))
	}
	for _, path := range needless {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
