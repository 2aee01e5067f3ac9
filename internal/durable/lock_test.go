package durable

import (
	"context"
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

func TestWaitLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	release, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := WaitLock(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("the wait did not end with its context: %v", err)
	}
	told := 0
	again, err := WaitLock(t.Context(), path, func() { told++; release() })
	if err != nil || told != 1 {
		t.Fatalf("%v, told %d times", err, told)
	}
	again()
}
