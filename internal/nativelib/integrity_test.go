package nativelib

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/testenv"
)

// tellingRuntime is a fakeRuntime that leaves a file where it is opened.
func tellingRuntime(t *testing.T, path string) (opened func() bool) {
	t.Helper()
	mark := filepath.Join(t.TempDir(), "opened")
	testenv.FakeRuntime(t, path, Version, fmt.Sprintf(`
		#include <fcntl.h>
		#include <unistd.h>
		const char padding[] = "a byte of this is flipped";
		__attribute__((constructor)) static void tell(void) { close(open(%q, O_CREAT | O_WRONLY, 0600)); }`, mark))
	return func() bool {
		_, err := os.Stat(mark)
		_ = os.Remove(mark) // for the next question
		return err == nil
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write puts another file in the place of the one there, which may be open as a library.
func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// flip changes one bit of a file's padding.
func flip(t *testing.T, path string) {
	t.Helper()
	data := read(t, path)
	at := strings.Index(string(data), "a byte of this is flipped")
	if at < 0 {
		t.Fatal("no padding")
	}
	data[at] ^= 1
	write(t, path, data)
}

// installed lays a library into fx's cache with the given record, whose hash of
// the library is filled in.
func installed(t *testing.T, r *record) (path string, opened func() bool) {
	t.Helper()
	dir := filepath.Join(isolate(t), "runtime", cpuBuild.folder())
	name := "libonnxruntime.so." + Version
	path = filepath.Join(dir, name)
	opened = tellingRuntime(t, path)
	if r == nil {
		return path, opened
	}
	if len(r.Files) == 0 {
		data := read(t, path)
		r.Files = []recordedFile{{Name: name, Bytes: int64(len(data)), SHA256: sha256Hex(data)}}
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	return path, opened
}

func TestPins(t *testing.T) {
	hash := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for system, builds := range pins {
		for build, p := range builds {
			main := 0
			for name, sum := range p.sha256 {
				if !hash.MatchString(sum) {
					t.Errorf("%s, %s: %s has the hash %q", system, build, name, sum)
				}
				if !strings.Contains(name, "_providers_") {
					main++
				}
				if v := versionIn(name); v != "" && v != Version {
					t.Errorf("%s, %s: %s is not of version %s", system, build, name, Version)
				}
			}
			if main != 1 || p.platform == "" {
				t.Errorf("%s, %s: %d main libraries, platform %q", system, build, main, p.platform)
			}
		}
	}
}

// What `fx runtime install` left on this machine is what is pinned.
func TestTheInstalledLibraryIsPinned(t *testing.T) {
	library, err := Find("")
	if err != nil {
		testenv.Lacks(t, testenv.Runtime, "no ONNX Runtime here: %v", err)
	}
	if library.Source != FromCache {
		t.Skipf("ONNX Runtime is from %s", library.Source)
	}
	sum, trust := library.Integrity(t.Context())
	if trust != TrustPinned || len(sum) != 64 {
		t.Errorf("%s has SHA-256 %s: %s", library.Path, sum, trust)
	}
}

func TestAnAlteredLibraryIsNotOpened(t *testing.T) {
	path, opened := installed(t, &record{})
	if library, err := Find(""); err != nil || library.Path != path || !opened() {
		t.Fatalf("before: %+v, %v", library, err)
	}
	flip(t, path)
	_, err := Find("")
	const what = " is not what was installed: its SHA-256 is "
	if fail.KindOf(err) != fail.Device || !strings.Contains(err.Error(), path+what) ||
		!strings.Contains(fail.HintOf(err), "`fx runtime install`") {
		t.Errorf("found: %v; %s", err, fail.HintOf(err))
	}
	if all := Installations(t.Context()); len(all) != 1 || all[0].Problem == nil {
		t.Errorf("installed: %+v", all)
	}
	if opened() {
		t.Error("the altered library was opened")
	}
}

func TestWhatALibraryIsHeldTo(t *testing.T) {
	if _, known := pinned(cpuBuild); !known {
		t.Skip("nothing is pinned for this system")
	}
	other := strings.Repeat("0", 64)
	name := "libonnxruntime.so." + Version
	pin := pins[system()][cpuBuild].sha256[name]
	one := func(name, sum string) []recordedFile { return []recordedFile{{Name: name, SHA256: sum}} }
	for title, c := range map[string]struct {
		record *record
		trust  Trust
		want   string // in the error
	}{
		"no record, as in early versions":      {nil, trustUnchecked, ""},
		"a record without hashes":              {&record{Files: one(name, "")}, trustUnchecked, ""},
		"a record that tells nothing of trust": {&record{}, TrustRecorded, ""},
		"said to be pinned, and it is not":     {&record{HeldTo: TrustPinned}, "", "is not the pinned one, " + pin},
		"another hash than the record's":       {&record{Files: one(name, other)}, "", "but it was " + other},
		"a library beside the recorded ones": {&record{Files: one("libother.so", other)}, "",
			"is not one of the installed files"},
	} {
		path, opened := installed(t, c.record)
		library, err := Find("")
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || opened() {
				t.Errorf("%s: error %v, want one with %q, before it is opened", title, err, c.want)
			}
			continue
		}
		if err != nil || library.Path != path {
			t.Errorf("%s: %v", title, err)
			continue
		}
		if sum, trust := library.Integrity(t.Context()); trust != c.trust || sum != sha256Hex(read(t, path)) {
			t.Errorf("%s: %s, %s; want %s", title, sum, trust, c.trust)
		}
	}
	t.Run("a damaged record", func(t *testing.T) {
		path, opened := installed(t, &record{})
		write(t, filepath.Join(filepath.Dir(path), recordName), []byte("{"))
		if _, err := Find(""); err == nil || !strings.Contains(err.Error(), recordName) || opened() {
			t.Errorf("error %v", err)
		}
	})
}

// A library that the user names is the user's: fx compares it with nothing, and says so.
func TestANamedLibraryIsNotCompared(t *testing.T) {
	isolate(t)
	path := filepath.Join(t.TempDir(), "libonnxruntime.so."+Version)
	tellingRuntime(t, path)
	flip(t, path)
	t.Setenv("FX_ORT_LIB", path)
	if library, err := Find(""); err != nil || library.Path != path {
		t.Errorf("found %+v, %v", library, err)
	}
	library, _ := Find("")
	if sum, trust := library.Integrity(t.Context()); trust != trustUnchecked || sum != sha256Hex(read(t, path)) {
		t.Errorf("%q is %q", sum, trust)
	}
}

// tellingWheel makes a wheel around a tellingRuntime.
func tellingWheel(t *testing.T) (folder, sum string, opened func() bool) {
	t.Helper()
	folder = t.TempDir()
	path := filepath.Join(t.TempDir(), "library.so")
	opened = tellingRuntime(t, path)
	data := read(t, path)
	writeWheel(t, filepath.Join(folder, "onnxruntime-"+Version+"-cp312-cp312-linux_x86_64.whl"),
		entry{"onnxruntime/capi/libonnxruntime.so." + Version, data, 0o755},
		entry{"onnxruntime/capi/libonnxruntime_providers_shared.so", []byte("shared"), 0o755})
	return folder, sha256Hex(data), opened
}

func TestInstallHoldsTheLibraryToAHash(t *testing.T) {
	folder, sum, opened := tellingWheel(t)
	other := strings.Repeat("0", 64)
	for title, c := range map[string]struct {
		given string
		kind  fail.Kind
		want  []string // in the error or its hint
	}{
		"another library than the pinned": {"", fail.Device, []string{"SHA-256", "must be", "--sha256"}},
		"another than --sha256 says":      {other, fail.Device, []string{"has SHA-256 " + sum, "--sha256 is " + other}},
		"no hash":                         {"abc", fail.Usage, []string{`--sha256 "abc" is not a SHA-256`}},
		"the library that --sha256 says":  {strings.ToUpper(sum), 0, nil},
	} {
		t.Run(title, func(t *testing.T) {
			if _, known := pinned(cpuBuild); !known && c.given == "" {
				t.Skip("nothing is pinned for this system")
			}
			cache := isolate(t)
			fakePip(t, folder)
			library, err := Install(t.Context(), InstallOptions{SHA256: c.given}, &notes{})
			if c.want == nil {
				if err != nil || !opened() {
					t.Fatal(err)
				}
				if r, err := readRecord(filepath.Dir(library.Path)); err != nil || r.HeldTo != TrustGiven ||
					r.Given != sum {
					t.Errorf("record %+v, %v", r, err)
				}
				if _, trust := library.Integrity(t.Context()); trust != TrustGiven {
					t.Errorf("it is %s", trust)
				}
				return
			}
			if err == nil || fail.KindOf(err) != c.kind {
				t.Fatalf("kind %d: %v", fail.KindOf(err), err)
			}
			for _, want := range c.want {
				if text := err.Error() + " " + fail.HintOf(err); !strings.Contains(text, want) {
					t.Errorf("%q is not in %s", want, text)
				}
			}
			if opened() {
				t.Error("the library was opened")
			}
			if entries, _ := os.ReadDir(filepath.Join(cache, "runtime")); len(entries) > 1 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

// Every library of the package must be known, not the main one alone.
func TestInstallHoldsEveryLibraryToItsPin(t *testing.T) {
	p, known := pinned(gpuBuild)
	if !known {
		t.Skip("nothing is pinned for this system")
	}
	whole := func() []recordedFile {
		files := []recordedFile{{Name: "nvidia/cudnn/lib/libcudnn.so.9", SHA256: "whatever"}}
		for name, sum := range p.sha256 {
			files = append(files, recordedFile{Name: name, SHA256: sum})
		}
		return files
	}
	expected := expectation{build: gpuBuild}
	r := record{Files: whole()}
	if err := expected.hold(&r, "", false); err != nil || r.HeldTo != TrustPinned {
		t.Errorf("as pinned: %v, %+v", err, r)
	}
	for i, f := range whole()[1:] {
		altered := record{Files: whole()}
		for j := range altered.Files {
			if altered.Files[j].Name == f.Name {
				altered.Files[j].SHA256 = "another"
			}
		}
		if err := expected.hold(&altered, "", false); err == nil || !strings.Contains(err.Error(), f.Name) ||
			altered.HeldTo != "" {
			t.Errorf("with another %s: %v", f.Name, err)
		}
		lacking := record{Files: append(whole()[:i+1:i+1], whole()[i+2:]...)}
		if err := expected.hold(&lacking, "", false); err == nil {
			t.Error("a package without one of its libraries was taken")
		}
	}
	more := record{Files: append(whole(), recordedFile{Name: "libonnxruntime_providers_more.so"})}
	if err := expected.hold(&more, "", false); err == nil || !strings.Contains(err.Error(),
		"libonnxruntime_providers_more.so") {
		t.Errorf("with one more library: %v", err)
	}
}

// The CUDA provider and NVIDIA's libraries are compared before they are opened too.
func TestAlteredLibrariesOfCUDAAreNotOpened(t *testing.T) {
	dir := filepath.Join(isolate(t), "runtime", gpuBuild.folder())
	library := Library{Path: filepath.Join(dir, "libonnxruntime.so."+Version), Version: Version, Source: FromCache}
	provider, nvidia := library.cudaProviderFile(), filepath.Join(dir, "nvidia", "cudnn", "lib", "libcudnn.so.9")
	opened := map[string]func() bool{provider: tellingRuntime(t, provider), nvidia: tellingRuntime(t, nvidia)}
	write(t, filepath.Join(dir, "libonnxruntime_providers_shared.so"), []byte("shared"))
	r := record{}
	if err := r.hash(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	for path, opened := range opened {
		flip(t, path)
		err := library.openNVIDIA()
		if err == nil || !strings.Contains(err.Error(), path+" is not what was installed") ||
			fail.HintOf(err) != "Run `fx runtime install --gpu`, which fetches it again." {
			t.Errorf("%s: %v", path, err)
		}
		if opened() {
			t.Errorf("%s was opened", path)
		}
		data := read(t, path)
		data[strings.Index(string(data), " byte of this is flipped")-1] ^= 1
		write(t, path, data)
	}
}
