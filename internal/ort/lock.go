package ort

import (
	"context"
	"os"
	"time"

	"fx/internal/fail"
)

// fileLock is held by one process at a time; the system frees it with the process.
type fileLock struct{ file *os.File }

// lockFile waits for the lock on path. It calls waiting once, where it has to wait.
func lockFile(ctx context.Context, path string, waiting func()) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fail.Wrap(fail.Device, err, "Set FX_CACHE_DIR to a folder that fx may write.", "the lock of fx's cache")
	}
	for first := true; ; first = false {
		held, err := tryLock(f)
		if err == nil && held {
			return &fileLock{f}, nil
		}
		if err != nil {
			_ = f.Close() // the lock's error is the one to report
			return nil, fail.Wrap(fail.Device, err, "Set FX_CACHE_DIR to a folder whose disk has locks.", "locking %s", path)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = f.Close() // nothing was written
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *fileLock) release() { _ = l.file.Close() } // closing frees the lock
