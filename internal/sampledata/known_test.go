package sampledata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/lockfile"
	"fx/internal/progress"
)

func sumOf(t *testing.T, content []byte) string {
	t.Helper()
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:])
}

// served is a machine that finds photos at an address alone.
type served struct {
	options Options
	content []byte // of the zip
	dir     string // in fx's cache
}

func serve(t *testing.T) *served {
	s := &served{dir: filepath.Join(alone(t), "data", officialName)}
	var err error
	s.content, err = os.ReadFile(zipOf(t, map[string]string{"hymenoptera_data/train/ants/a.jpg": "ant",
		"hymenoptera_data/val/bees/b.jpg": "bee"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(s.content)
	}))
	t.Cleanup(server.Close)
	s.options = Options{archive: &archive{url: server.URL + "/hymenoptera_data.zip"},
		draw: func(_ context.Context, dir string) error {
			return os.MkdirAll(filepath.Join(dir, "train"), 0o755)
		}}
	return s
}

func (s *served) find(t *testing.T) (Found, error) {
	t.Helper()
	return Photos(t.Context(), s.options, progress.Discard)
}

func TestPhotosAreKnownFromTheirFirstUseOn(t *testing.T) {
	s := serve(t)
	first, err := s.find(t)
	if err != nil || first.Origin != "download" {
		t.Fatalf("%+v, %v", first, err)
	}
	notes := strings.Join(first.Notes, "\n")
	if !strings.Contains(notes, "the tutorial's photos: first seen here: SHA-256 "+sumOf(t, s.content)) {
		t.Errorf("notes %s", notes)
	}
	// As `find -type f | sort | xargs sha256sum | sha256sum` has it.
	list := fmt.Sprintf("%s  train/ants/a.jpg\n%s  val/bees/b.jpg\n", sumOf(t, []byte("ant")), sumOf(t, []byte("bee")))
	want := []lockfile.Input{
		{Name: "photos/hymenoptera_data", File: officialName, SHA256: sumOf(t, []byte(list)), Bytes: 6, Path: s.dir},
		{Name: "photos/hymenoptera_data.zip", File: officialName + ".zip", SHA256: sumOf(t, s.content),
			Bytes: int64(len(s.content)), Path: s.dir},
	}
	if fmt.Sprint(first.Inputs) != fmt.Sprint(want) {
		t.Errorf("inputs %+v\nwant %+v", first.Inputs, want)
	}
	if err := os.WriteFile(filepath.Join(s.dir, ".DS_Store"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := s.find(t)
	if err != nil || again.Origin != "fx's cache" || fmt.Sprint(again.Inputs) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", again, err)
	}
	if notes := strings.Join(again.Notes, "\n"); !strings.Contains(notes, "as first seen on ") {
		t.Errorf("notes %s", notes)
	}
}

func TestChangedPhotosInTheCacheAreRefused(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"changed": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "train/ants/a.jpg"), []byte("not"), 0o644)
		},
		"added": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "train/ants/c.jpg"), []byte("c"), 0o644)
		},
		"removed": func(dir string) error { return os.Remove(filepath.Join(dir, "val/bees/b.jpg")) },
		"a link": func(dir string) error {
			return os.Symlink("/etc/hostname", filepath.Join(dir, "train/ants/l.jpg"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			if _, err := s.find(t); err != nil {
				t.Fatal(err)
			}
			if err := change(s.dir); err != nil {
				t.Fatal(err)
			}
			if f, err := s.find(t); fail.KindOf(err) != fail.Model ||
				!strings.Contains(fail.HintOf(err), "Remove "+s.dir) {
				t.Fatalf("%+v, %v (%s)", f, err, fail.HintOf(err))
			}
			if err := os.RemoveAll(s.dir); err != nil { // as the hint says
				t.Fatal(err)
			}
			if f, err := s.find(t); err != nil || f.Origin != "download" {
				t.Errorf("after the hint was followed: %+v, %v", f, err)
			}
		})
	}
}

func TestAnotherArchiveIsNotTaken(t *testing.T) {
	s := serve(t)
	if _, err := s.find(t); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.content, err = os.ReadFile(zipOf(t, map[string]string{"hymenoptera_data/train/ants/a.jpg": "forged"},
		nil)); err != nil {
		t.Fatal(err)
	}
	f, err := s.find(t)
	if err != nil || !f.Drawn || !strings.Contains(strings.Join(f.Notes, "\n"), fetch.ErrDigest.Error()) {
		t.Errorf("%+v, %v", f, err)
	}
	t.Setenv("FX_CACHE_DIR", t.TempDir()) // a machine that never saw it
	s.options.archive.sha256 = sumOf(t, []byte("the true one"))
	if f, err := s.find(t); err != nil || !f.Drawn || !strings.Contains(strings.Join(f.Notes, "\n"),
		s.options.archive.sha256) {
		t.Errorf("pinned: %+v, %v", f, err)
	}
}

func TestALockHoldsThePhotos(t *testing.T) {
	s := serve(t)
	s.options.Lock = lockfile.At(filepath.Join(t.TempDir(), "lock.json"))
	f, err := s.find(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.options.Lock.Hold(t.Context(), f.Inputs...); err != nil {
		t.Fatal(err)
	}
	wanted := sumOf(t, s.content)
	if s.content, err = os.ReadFile(zipOf(t, map[string]string{"hymenoptera_data/train/ants/a.jpg": "forged"},
		nil)); err != nil {
		t.Fatal(err)
	}
	fresh := func() { t.Setenv("FX_CACHE_DIR", t.TempDir()) }

	fresh() // another machine, to which another archive comes
	if f, err := s.find(t); !errors.Is(err, lockfile.ErrHeld) || fail.KindOf(err) != fail.Model ||
		!strings.Contains(err.Error(), wanted) || fail.HintOf(err) == "" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := fetch.Lookup(officialName + ".zip"); err == nil {
		t.Error("the refused archive was recorded")
	}
	fresh() // one without a network takes no drawn pictures in their place
	s.options.Offline = true
	if f, err := s.find(t); !errors.Is(err, lockfile.ErrHeld) {
		t.Errorf("%+v, %v", f, err)
	}
	fresh() // one that has other photos in its cache, without and with a lock
	s.options.Offline = false
	lock := s.options.Lock
	s.options.Lock = nil
	if f, err := s.find(t); err != nil || f.Origin != "download" {
		t.Fatalf("%+v, %v", f, err)
	}
	s.options.Lock = lock
	if f, err := s.find(t); !errors.Is(err, lockfile.ErrHeld) ||
		!strings.Contains(err.Error(), "photos/hymenoptera_data") {
		t.Errorf("%+v, %v", f, err)
	}
}
