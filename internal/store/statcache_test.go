package store

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fx/internal/dataset"
	"fx/internal/source"
)

func statOf(rel string, mtime time.Time) (Entry, statEntry) {
	e := Entry{Item: dataset.Item{Rel: rel, Size: 7, ModTime: mtime, Inode: 3}}
	return e, statEntry{rel, Content{SHA256: SHA256{1, 2, 3}, Size: 7, ModTime: mtime, Inode: 3}}
}

func TestStatCacheRemembersOnlyTheSameFile(t *testing.T) {
	dir := t.TempDir()
	c, err := openStatCache(dir, Shard{})
	must(t, err)
	e, s := statOf("a b/\n\"日本\".jpg", testTime)
	must(t, c.add([]statEntry{s}))
	for _, shard := range []Shard{{}, {1, 2}} { // every writer reads every log
		again, err := openStatCache(dir, shard)
		must(t, err)
		if sha, ok := again.lookup(&e); !ok || sha != s.content.SHA256 {
			t.Errorf("shard %v: not found", shard)
		}
		for name, change := range map[string]func(*Entry){
			"path":  func(e *Entry) { e.Rel = "x" },
			"size":  func(e *Entry) { e.Size++ },
			"time":  func(e *Entry) { e.ModTime = e.ModTime.Add(1) },
			"inode": func(e *Entry) { e.Inode++ },
			"none":  func(e *Entry) { e.ModTime = time.Time{} },
		} {
			other := e
			change(&other)
			if _, ok := again.lookup(&other); ok {
				t.Errorf("another %s was taken for the same", name)
			}
		}
	}
}

// TestStatCacheDistrustsFreshFiles: a file written in the moment in which it
// was read may be written again without a change of its time.
func TestStatCacheDistrustsFreshFiles(t *testing.T) {
	c, err := openStatCache(t.TempDir(), Shard{})
	must(t, err)
	c.now = func() time.Time { return testTime }
	for age, want := range map[time.Duration]bool{0: false, time.Second: false, 3 * time.Second: true,
		-time.Hour: false} {
		e, s := statOf("x", testTime.Add(-age))
		must(t, c.add([]statEntry{s}))
		if _, ok := c.lookup(&e); ok != want {
			t.Errorf("a file %s old: known %v", age, ok)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	content := strings.Repeat("photo", 1000)
	must(t, os.WriteFile(path, []byte(content), 0o644))
	must(t, os.Chtimes(path, testTime, testTime))
	info, err := os.Stat(path)
	must(t, err)
	want := Content{SHA256: sha256.Sum256([]byte(content)), Size: 5000, ModTime: info.ModTime(), Inode: inode(info)}
	data, c, err := Load(t.Context(), source.File(path))
	if err != nil || string(data) != content || c != want {
		t.Errorf("%d bytes, %+v, %v, want %+v", len(data), c, err, want)
	}
	for _, name := range []string{"none", "."} {
		if _, _, err := Load(t.Context(), source.File(filepath.Join(dir, name))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestStatCacheDamageIsAMiss(t *testing.T) {
	dir := t.TempDir()
	c, err := openStatCache(dir, Shard{})
	must(t, err)
	e1, s1 := statOf("one.jpg", testTime)
	e2, s2 := statOf("two.jpg", testTime)
	must(t, c.add([]statEntry{s1, s2}))
	path := filepath.Join(dir, statCacheFile)
	good, err := os.ReadFile(path)
	must(t, err)
	second := strings.IndexByte(string(good), '\n') + 1
	for i := range good {
		for _, bad := range []string{string(good[:i]), string(good[:i]) + string(good[i]^4) + string(good[i+1:])} {
			must(t, os.WriteFile(path, []byte(bad), 0o644))
			c, err := openStatCache(dir, Shard{})
			must(t, err)
			for k, e := range []*Entry{&e1, &e2} {
				if sha, ok := c.lookup(e); ok && sha != s1.content.SHA256 {
					t.Fatalf("byte %d: a wrong hash", i)
				} else if k == 0 && i >= second && !ok {
					t.Fatalf("byte %d: the line before is lost", i)
				}
			}
			if len(c.known) > 1 && i > 0 && i < second-1 {
				t.Fatalf("byte %d: damage went unnoticed", i)
			}
		}
	}
}

func TestStatCacheIsCompacted(t *testing.T) {
	dir := t.TempDir()
	c, err := openStatCache(dir, Shard{})
	must(t, err)
	var last Entry
	for i := range 1100 {
		e, s := statOf("x", testTime.Add(time.Duration(i)))
		must(t, c.add([]statEntry{s}))
		last = e
	}
	must(t, c.compact([]Entry{last}))
	c, err = openStatCache(dir, Shard{})
	must(t, err)
	if _, ok := c.lookup(&last); !ok || len(c.known) != 1 {
		t.Errorf("%d lines left", len(c.known))
	}
}
