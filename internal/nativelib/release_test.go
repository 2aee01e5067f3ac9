package nativelib

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/lockfile"
	"fx/internal/testenv"
)

// member is an entry of a .tgz.
type member struct {
	name string
	data []byte
	kind byte   // of archive/tar; 0 is a file
	link string // the target
}

// releaseMembers is the content of a release archive for Linux around a library.
func releaseMembers(library []byte) []member {
	const root = "onnxruntime-linux-x64-" + Version + "/"
	return []member{
		{name: "./" + root, kind: tar.TypeDir},
		{name: root + "LICENSE", data: []byte("a licence")},
		{name: root + "VERSION_NUMBER", data: []byte(Version)},
		{name: root + "include/onnxruntime_c_api.h", data: []byte("a header")},
		{name: root + "lib/libonnxruntime.so", kind: tar.TypeSymlink, link: "libonnxruntime.so.1"},
		{name: root + "lib/libonnxruntime.so.1", kind: tar.TypeSymlink, link: "libonnxruntime.so." + Version},
		{name: root + "lib/libonnxruntime.so." + Version, data: library},
		{name: root + "lib/libonnxruntime_providers_shared.so", data: []byte("shared")},
		{name: root + "lib/libonnxruntime_providers_tensorrt.so", data: []byte("tensorrt")},
		{name: root + "lib/pkgconfig/libonnxruntime.pc", data: []byte("for the linker")},
	}
}

func tgz(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	compressed := gzip.NewWriter(&b)
	archive := tar.NewWriter(compressed)
	for _, m := range members {
		err := archive.WriteHeader(&tar.Header{Name: m.name, Typeflag: m.kind, Linkname: m.link, Mode: 0o755,
			Size: int64(len(m.data))})
		if err == nil {
			_, err = archive.Write(m.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// aRuntime returns the bytes of a stand-in for ONNX Runtime.
func aRuntime(t *testing.T, version string) []byte {
	t.Helper()
	return read(t, testenv.FakeRuntime(t, filepath.Join(t.TempDir(), "lib.so"), version, ""))
}

// releaseServer serves files by their paths below /mirror/, with ranges and a time.
type releaseServer struct {
	mu    sync.Mutex
	files map[string][]byte
	asked []string // path, and range if there is one
}

// serve starts a mirror of the releases that has the archive of this system's CPU build.
func serve(t *testing.T, archive []byte) *releaseServer {
	t.Helper()
	if system() != "linux/amd64" {
		t.Skip("the archives here are for linux/amd64")
	}
	s := &releaseServer{files: map[string][]byte{archivePath(cpuBuild): archive}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Setenv(mirrorVariable, server.URL+"/mirror/")
	t.Setenv("PATH", t.TempDir()) // neither pip nor uv, and no compiler
	return s
}

func archivePath(build flavour) string {
	p, _ := pinned(build)
	return "/mirror/v" + Version + "/" + p.archive
}

func (s *releaseServer) put(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = data
}

func (s *releaseServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *releaseServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	data, here := s.files[r.URL.Path]
	s.mu.Unlock()
	if !here {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC), bytes.NewReader(data))
}

// Without pip and uv, the release archive is taken, recorded at its first use and the same ever after.
func TestInstallTakesTheReleaseArchive(t *testing.T) {
	cache, library, older := isolate(t), aRuntime(t, Version), aRuntime(t, "1.30.0")
	path := filepath.Join(t.TempDir(), "telling.so")
	opened := tellingRuntime(t, path)
	opened()
	server := serve(t, tgz(t, releaseMembers(library)...))
	said := &notes{}
	got, err := Install(t.Context(), InstallOptions{}, said)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := pinned(cpuBuild)
	folder := filepath.Join(cache, "runtime", cpuBuild.folder())
	have := contents(t, folder)
	if have != "installed.json libonnxruntime.so.1.31.1 libonnxruntime_providers_shared.so" {
		t.Errorf("the folder holds %s", have)
	}
	if have := contents(t, filepath.Dir(folder)); !strings.HasPrefix(have, "lock "+cpuBuild.folder()) ||
		strings.Contains(have, "downloads") {
		t.Errorf("the runtimes are %s", have)
	}
	if found, err := Find(""); err != nil || found != got {
		t.Errorf("found %+v, %v", found, err)
	}
	sum, trust := got.Integrity(t.Context())
	if sum != sha256Hex(library) || trust != TrustRecorded {
		t.Errorf("SHA-256 %s, %s", sum, trust)
	}
	served := sha256Hex(server.files[archivePath(cpuBuild)])
	if entry, err := fetch.Lookup(p.archive); err != nil || entry.SHA256 != served {
		t.Errorf("entry %+v, %v", entry, err)
	}
	for _, want := range []string{"neither pip nor uv found; fetching the release", p.archive + ": first seen here"} {
		if !strings.Contains(said.text(), want) {
			t.Errorf("%q is not in %s", want, said.text())
		}
	}
	if _, err := Install(t.Context(), InstallOptions{}, said); err != nil || len(server.requests()) != 1 {
		t.Errorf("again: %v after %v", err, server.requests())
	}
	if _, err := Install(t.Context(), InstallOptions{Force: true}, said); err != nil ||
		!strings.Contains(said.text(), "as first seen on") {
		t.Errorf("by force: %v, said %s", err, said.text())
	}

	// Another archive of the same name is refused before its library is opened.
	server.put(archivePath(cpuBuild), tgz(t, releaseMembers(read(t, path))...))
	_, err = Install(t.Context(), InstallOptions{Force: true}, &notes{})
	if !errors.Is(err, fetch.ErrDigest) || fail.KindOf(err) != fail.Device || !strings.Contains(fail.HintOf(err),
		p.archive+".json") || opened() {
		t.Errorf("another archive: %v; %s", err, fail.HintOf(err))
	}
	if sum, _ := got.Integrity(t.Context()); sum != sha256Hex(library) {
		t.Errorf("the library is now %s", sum)
	}

	write(t, got.Path, older) // it is checked at each use
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), "is not what was installed") {
		t.Errorf("altered: %v", err)
	}
}

// A tool that fails is no reason to give up, but a package that is not the pinned one is.
func TestTheReleaseArchiveReplacesOnlyPackagesThatCannotBeFetched(t *testing.T) {
	isolate(t)
	wheels, _ := cpuWheel(t)
	server := serve(t, tgz(t, releaseMembers(aRuntime(t, Version))...))
	fakePip(t, wheels)
	if _, err := Install(t.Context(), InstallOptions{}, &notes{}); err == nil || len(server.requests()) != 0 {
		t.Errorf("another package: %v after %v", err, server.requests())
	}
	t.Setenv("FX_FAKE_FAIL", "ERROR: the sky falls")
	said := &notes{}
	if _, err := Install(t.Context(), InstallOptions{}, said); err != nil || !strings.Contains(said.text(),
		"the sky falls; fetching the release archive") {
		t.Errorf("a tool that fails: %v, said %s", err, said.text())
	}
}

func TestWrongArchivesLeaveNothing(t *testing.T) {
	library, old := aRuntime(t, Version), aRuntime(t, "1.18.0")
	newer := aRuntime(t, "1.32.0")
	foreign := slices.Clone(library)
	foreign[18] = 183 // e_machine of arm64
	whole := tgz(t, releaseMembers(library)...)
	flipped := slices.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	const lib = "onnxruntime-linux-x64-" + Version + "/lib/"
	main := member{name: lib + "libonnxruntime.so." + Version, data: library}
	with := func(name string, kind byte, link string) []byte { // one more entry
		return tgz(t, main, member{name: name, kind: kind, link: link})
	}
	const shared, plain = "lib/libonnxruntime_providers_shared.so", lib + "libonnxruntime.so"
	mac := member{name: "o/lib/libonnxruntime.1.31.1.dylib", data: []byte(magicMachO + "\x0c\x00\x00\x01")}
	const outside, astray = "is not a regular file inside it", "is no library in it"
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"a log-in page":           {[]byte("\n <!DOCTYPE html><html>Please log in"), "is a web page"},
		"nonsense":                {[]byte("nonsense"), "is neither an archive"},
		"half of it":              {whole[:len(whole)/2], "is incomplete or damaged"},
		"a wrong checksum":        {flipped, "is incomplete or damaged"},
		"another processor":       {tgz(t, releaseMembers(foreign)...), "is for linux/arm64, and this machine is"},
		"another system":          {tgz(t, mac), "is for darwin/arm64 (it contains libonnxruntime.1.31.1.dylib)"},
		"an old version":          {tgz(t, releaseMembers(old)...), "is ONNX Runtime 1.18.0, but fx needs"},
		"another version":         {tgz(t, releaseMembers(newer)...), "ONNX Runtime 1.32.0, and not " + Version},
		"no library":              {tgz(t, releaseMembers(library)[:5]...), astray},
		"nothing":                 {tgz(t), "contains no libonnxruntime.so"},
		"a library twice":         {tgz(t, main, main), "two files libonnxruntime.so.1.31.1"},
		"a library that is empty": {tgz(t, member{name: main.name}), "does not work on this system"},
		"no CUDA provider":        {whole, "has no libonnxruntime_providers_cuda.so"},
		"a path upwards":          {with("../../"+shared, 0, ""), outside},
		"an absolute path":        {with("/"+shared, 0, ""), outside},
		"a link out of it":        {with(plain, tar.TypeSymlink, "../../../etc/passwd"), astray},
		"an absolute link":        {with(plain, tar.TypeSymlink, "/etc/passwd"), outside},
		"a circle of links":       {with(plain, tar.TypeSymlink, "libonnxruntime.so"), astray},
		"a hard link out of it":   {with(plain, tar.TypeLink, "etc/passwd"), astray},
		"a device":                {with("o/"+shared, tar.TypeChar, ""), outside},
	} {
		t.Run(name, func(t *testing.T) {
			cache := isolate(t)
			build := cpuBuild
			if name == "no CUDA provider" {
				build = gpuBuild
			}
			p, _ := pinned(build)
			server := serve(t, nil)
			server.put(archivePath(build), c.archive)
			file := filepath.Join(t.TempDir(), p.archive)
			write(t, file, c.archive)
			for _, from := range []string{"", file, os.Getenv(mirrorVariable) + "v" + Version + "/" + p.archive} {
				_, err := Install(t.Context(), InstallOptions{GPU: build == gpuBuild, From: from}, &notes{})
				if from != "" && name == "another version" { // which the user may want
					if err != nil {
						t.Errorf("--from %s: %v", from, err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || fail.KindOf(err) != fail.Device {
					t.Errorf("--from %q: %v", from, err)
				} else if !strings.Contains(fail.HintOf(err), releases+"/v"+Version+"/"+p.archive) {
					t.Errorf("--from %q: hint %q", from, fail.HintOf(err))
				}
				if have := contents(t, filepath.Join(cache, "runtime")); have != "lock" {
					t.Errorf("--from %q: left behind: %s", from, have)
				}
				if entry, err := fetch.Lookup(p.archive); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("--from %q: it was recorded as the archive: %+v, %v", from, entry, err)
				}
			}
		})
	}
}

func TestFormsOfFrom(t *testing.T) {
	isolate(t)
	library := aRuntime(t, Version)
	server := serve(t, nil)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	whole := tgz(t, releaseMembers(library)...)
	write(t, in("mine.tgz"), whole)
	const lib = "onnxruntime/lib/libonnxruntime"
	cuda := entry{lib + "_providers_cuda.so", []byte("cuda"), 0o755}
	writeWheel(t, in("copies.zip"), entry{lib + ".so", library, 0o755}, entry{lib + ".so.1", library, 0o755},
		entry{lib + ".so." + Version, library, 0o755}, entry{lib + "_providers_shared.so", []byte("shared"), 0o755},
		cuda)
	writeWheel(t, in("onnxruntime-x.whl"), entry{"onnxruntime/capi/libonnxruntime.so." + Version, library, 0o755},
		entry{"onnxruntime/capi/onnxruntime_pybind11_state.so", []byte("python's"), 0o755})
	write(t, in("libonnxruntime.so.1.31"), library)
	write(t, in("mine"), library)
	address := strings.TrimSuffix(os.Getenv(mirrorVariable), "/mirror/") + "/some/mine.tgz?token=1"
	server.put("/some/mine.tgz", whole)

	const main = "libonnxruntime.so." + Version
	const shared = "libonnxruntime_providers_shared.so"
	for _, c := range []struct {
		from, want string
		gpu        bool
	}{
		{in("mine.tgz"), main + " " + shared, false},
		{in("copies.zip"), main + " " + shared, false},
		{in("copies.zip"), main + " libonnxruntime_providers_cuda.so " + shared, true},
		{in("onnxruntime-x.whl"), main, false},
		{in("libonnxruntime.so.1.31"), "libonnxruntime.so.1.31", false},
		{in("mine"), "libonnxruntime.so", false},
		{address, main + " " + shared, false},
	} {
		got, err := Install(t.Context(), InstallOptions{From: c.from, GPU: c.gpu}, &notes{})
		if err != nil {
			t.Errorf("%s: %v", c.from, err)
			continue
		}
		if have := contents(t, filepath.Dir(got.Path)); have != "installed.json "+c.want {
			t.Errorf("%s: the folder holds %s", c.from, have)
		}
		if sum, trust := got.Integrity(t.Context()); sum != sha256Hex(library) || trust != TrustRecorded {
			t.Errorf("%s: SHA-256 %s, %s", c.from, sum, trust)
		}
	}
	if _, err := Install(t.Context(), InstallOptions{From: in("mine"), SHA256: strings.Repeat("0", 64)},
		&notes{}); fail.KindOf(err) != fail.Device || !strings.Contains(err.Error(), "but --sha256 is 000") {
		t.Errorf("another hash: %v", err)
	}
	for from, want := range map[string]string{
		in("nothing"): "no such file", dir: "is not a file", "ftp://host/file": "not an address",
		"http://": "not an address",
	} {
		if _, err := Install(t.Context(), InstallOptions{From: from}, &notes{}); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("--from %s: %v", from, err)
		}
	}
	for _, e := range []struct {
		from string
		want error
	}{{strings.ReplaceAll(address, "mine", "no"), fetch.ErrRefused},
		{"http://127.0.0.1:1/x.tgz", fetch.ErrUnreachable}} {
		_, err := Install(t.Context(), InstallOptions{From: e.from}, &notes{})
		if !errors.Is(err, e.want) || fail.KindOf(err) != fail.Device || !strings.Contains(fail.HintOf(err), "--from") {
			t.Errorf("--from %s: %v; %s", e.from, err, fail.HintOf(err))
		}
	}
	t.Setenv(mirrorVariable, "nonsense")
	if _, err := Install(t.Context(), InstallOptions{Force: true}, &notes{}); fail.KindOf(err) != fail.Usage {
		t.Errorf("a mirror without an address: %v", err)
	}
}

// A lock names the library: on the next machine only this one is installed, whatever tools there are.
func TestALockHoldsTheRuntime(t *testing.T) {
	isolate(t)
	library := aRuntime(t, Version)
	wheels, _ := cpuWheel(t)
	server := serve(t, tgz(t, releaseMembers(library)...))
	lock := lockfile.At(filepath.Join(t.TempDir(), "lock.json"))
	if _, err := Install(t.Context(), InstallOptions{Lock: lock}, &notes{}); err != nil {
		t.Fatal(err)
	}
	in, locked, err := lock.Want("runtime/linux/amd64/cpu")
	if err != nil || !locked || in.SHA256 != sha256Hex(library) || in.File != "libonnxruntime.so."+Version ||
		in.Bytes != int64(len(library)) {
		t.Errorf("locked %v: %+v, %v", locked, in, err)
	}

	isolate(t) // the next machine, which has pip
	t.Setenv(mirrorVariable, serverAddress(t, server))
	calls := fakePip(t, wheels)
	if got, err := Install(t.Context(), InstallOptions{Lock: lock}, &notes{}); err != nil ||
		calls()[0] != "" {
		t.Errorf("%+v, %v, pip was called with %q", got, err, calls())
	}
	if _, err := Install(t.Context(), InstallOptions{Lock: lock, From: "mine.tgz"}, &notes{}); fail.KindOf(err) !=
		fail.Usage {
		t.Errorf("a user's file in a lock: %v", err)
	}

	torn := filepath.Join(t.TempDir(), "torn.json")
	write(t, torn, []byte("{"))
	said := &notes{}
	if _, err := Install(t.Context(), InstallOptions{Lock: lockfile.At(torn)}, said); fail.KindOf(err) != fail.Model ||
		said.text() != "" {
		t.Errorf("a torn lock: %v, said %s", err, said.text())
	}

	cache := isolate(t) // and one whose mirror has another archive
	server.put(archivePath(cpuBuild), tgz(t, releaseMembers(append(slices.Clone(library), 0))...))
	t.Setenv(mirrorVariable, serverAddress(t, server))
	if _, err := Install(t.Context(), InstallOptions{Lock: lock}, &notes{}); !errors.Is(err, lockfile.ErrHeld) ||
		!strings.Contains(err.Error(), in.SHA256) || fail.KindOf(err) != fail.Model ||
		!strings.Contains(fail.HintOf(err), "lock.json") {
		t.Errorf("another library: %v; %s", err, fail.HintOf(err))
	}
	if have := contents(t, filepath.Join(cache, "runtime")); have != "lock" {
		t.Errorf("left behind: %s", have)
	}
}

func serverAddress(t *testing.T, s *releaseServer) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL + "/mirror"
}
