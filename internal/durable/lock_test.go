package durable

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestOneHoldsALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	release, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) { // a second open file is as good as a second process
		t.Errorf("the second got %v", err)
	}
	release()
	if release, err = Lock(path); err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := Lock(filepath.Join(path, "inside a file")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a path that can't be: %v", err)
	}
}
