//go:build unix

package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// An fx that locked files by flock(2) itself and this one exclude each other, shared
// and exclusively.
func TestLocksOfAnOlderFxCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	older, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = older.Close() }()
	flock := func(how int) error { return unix.Flock(int(older.Fd()), how|unix.LOCK_NB) }
	for _, c := range []struct {
		older             int
		exclusive, shared bool // what this one gets
	}{
		{unix.LOCK_EX, false, false}, {unix.LOCK_SH, false, true}, {unix.LOCK_UN, true, true},
	} {
		if err := flock(c.older); err != nil {
			t.Fatal(err)
		}
		for how, try := range map[string]func(*FileLock) (bool, error){"exclusive": (*FileLock).TryExclusive,
			"shared": (*FileLock).TryShared} {
			lock := NewFileLock(path)
			free, err := try(lock)
			if want := map[string]bool{"exclusive": c.exclusive, "shared": c.shared}[how]; err != nil || free != want {
				t.Errorf("%s beside %d: %v, %v", how, c.older, free, err)
			}
			lock.Release()
		}
	}

	mine := NewFileLock(path)
	defer mine.Release()
	if free, err := mine.TryExclusive(); err != nil || !free {
		t.Fatal(free, err)
	}
	if err := flock(unix.LOCK_SH); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("the older one shares an exclusive lock: %v", err)
	}
	if free, err := mine.TryShared(); err != nil || !free {
		t.Fatal(free, err)
	}
	if err := flock(unix.LOCK_SH); err != nil {
		t.Errorf("the older one can't share what became shared: %v", err)
	}
	if err := flock(unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	mine.Release()
	if err := flock(unix.LOCK_EX); err != nil {
		t.Errorf("not released: %v", err)
	}
}
