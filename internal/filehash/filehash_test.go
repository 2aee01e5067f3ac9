//go:build unix

package filehash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var sum = strings.Repeat("0123456789abcdef", 4)

// file makes a file of MinBytes. It is remembered once it is settled old: its
// time of change can't be set, so the tests wait for that.
func file(t *testing.T) *os.File {
	t.Helper()
	t.Setenv("FX_CACHE_DIR", t.TempDir())
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, make([]byte, minBytes), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestAFileIsKnownUntilItChanges(t *testing.T) {
	f := file(t)
	if Remember(f, sum); known(f) {
		t.Error("a file written just now is remembered")
	}
	time.Sleep(settled + 100*time.Millisecond)
	if known(f) {
		t.Fatal("known before it was remembered")
	}
	Remember(f, sum)
	if got, ok := Known(f); !ok || got != sum {
		t.Fatalf("%q, %v", got, ok)
	}
	// A write that leaves length and time of content as they were.
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1}, 7); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(f.Name(), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if known(f) {
		t.Error("known after another byte was written")
	}
}

func TestADamagedMemoryIsNone(t *testing.T) {
	f := file(t)
	id, ok := identify(f)
	if !ok {
		t.Fatal("no identity")
	}
	path, err := pathOf(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		line(id, sum):                    true,
		line(id, strings.ToUpper(sum)):   false,
		line(id, "zz"+sum[2:]):           false,
		line(id, sum)[:70]:               false,
		"":                               false,
		strings.Repeat("\x00", 100):      false,
		line(id, sum) + line(id, sum):    false,
		strings.TrimSpace(line(id, sum)): false,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if known(f) != want {
			t.Errorf("%q: known %v", text, !want)
		}
	}
}

func TestSmallFilesAndPipesAreNotRemembered(t *testing.T) {
	f := file(t)
	if err := f.Truncate(minBytes - 1); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	time.Sleep(settled + 100*time.Millisecond)
	for _, f := range []*os.File{f, r} {
		if Remember(f, sum); known(f) {
			t.Errorf("%s is remembered", f.Name())
		}
	}
}

func known(f *os.File) bool {
	_, ok := Known(f)
	return ok
}
