package nativelib

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fx/internal/durable"
	"fx/internal/fail"
)

func TestTheLockOfTheCacheFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "lock"), filepath.Join(dir, "victim")
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	_, err := waitLock(context.Background(), path, func() {})
	if fail.KindOf(err) != fail.Device || !errors.Is(err, durable.ErrNotRegular) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("the file that the link names was made")
	}
}

func TestWaitingForTheLockEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	release, err := waitLock(context.Background(), path, func() { t.Error("it waits for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := waitLock(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	release()
	if release, err = waitLock(context.Background(), path, func() { t.Error("it waits for nobody") }); err != nil {
		t.Fatal(err)
	}
	release()
}
