package hub_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fetch"
	"fx/internal/hub/hubtest"
)

func TestUserCache(t *testing.T) {
	m := newMachine(t)
	older := strings.Repeat("ab", 20)
	hubtest.UserCache(t, name, older, map[string]string{file: content, "config.json": "{}"})
	cache := filepath.Join(os.Getenv("HF_HOME"), "hub")
	before := tree(t, cache)
	for _, file := range []string{file, "config.json"} {
		if path, err := m.open("").UserFile(t.Context(), file); err != nil || !strings.HasPrefix(path, cache) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := m.open("").UserFile(t.Context(), "absent.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// its commit is the recorded one from now on
	hubtest.UserCache(t, name, m.commit, map[string]string{file: "other weights"})
	if path, err := m.open("").UserFile(t.Context(), file); err != nil || !strings.Contains(path, older) {
		t.Errorf("%s: %v", path, err)
	}
	if path, err := m.open(m.commit).UserFile(t.Context(), file); err != nil || !strings.Contains(path, m.commit) {
		t.Errorf("%s: %v", path, err)
	}
	blob := filepath.Join(cache, "models--timm--tiny.a1_in1k", "blobs", hubtest.Blob(file, content))
	if err := os.WriteFile(blob, []byte(content[:100]), 0o644); err != nil {
		t.Fatal(err)
	}
	if path, err := m.open("").UserFile(t.Context(), file); !errors.Is(err, fetch.ErrDigest) {
		t.Errorf("%s: %v", path, err)
	}
	if after := tree(t, cache); len(after) != len(before)+3 { // the second commit's blob, folder and link
		t.Errorf("%q, and before %q", after, before)
	}
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	if path, err := m.open("").UserFile(t.Context(), file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", path, err)
	}
}

func TestHomesOfTheUserCache(t *testing.T) {
	m := newMachine(t)
	root := t.TempDir()
	t.Setenv("HF_HOME", filepath.Join(root, "huggingface"))
	hubtest.UserCache(t, name, m.commit, map[string]string{file: content})
	t.Setenv("HOME", root)
	t.Setenv("PLACE", root)
	for _, c := range []struct{ home, cache, xdg string }{
		{xdg: root}, {home: "~/huggingface"}, {home: "$PLACE/huggingface"}, {home: root, cache: "~/huggingface/hub"},
	} {
		t.Setenv("HF_HOME", c.home)
		t.Setenv("HF_HUB_CACHE", c.cache)
		t.Setenv("XDG_CACHE_HOME", c.xdg)
		if path, err := m.open("").UserFile(t.Context(), file); err != nil || !strings.HasPrefix(path, root) {
			t.Errorf("%+v: %s, %v", c, path, err)
		}
	}
}

// Where links can't be made, huggingface_hub copies.
func TestAUserCacheWithoutLinks(t *testing.T) {
	m := newMachine(t)
	home := os.Getenv("HF_HOME")
	snapshot := filepath.Join(home, "hub", "models--timm--tiny.a1_in1k", "snapshots", m.commit)
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.MkdirAll(snapshot, 0o755),
		os.WriteFile(filepath.Join(snapshot, file), []byte(content), 0o644), os.Symlink(home, link)); err != nil {
		t.Fatal(err)
	}
	for _, home := range []string{home, link} {
		t.Setenv("HF_HOME", home)
		if path, err := m.open(m.commit).UserFile(t.Context(), file); err != nil || !strings.HasPrefix(path, home) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func tree(t *testing.T, dir string) (names []string) {
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
