package durable

import (
	"context"
	"errors"
	"time"
)

// LockWait is Lock that waits for as long as another process has the lock. It
// calls waiting once, before it waits; the error is that of ctx where it ends first.
func LockWait(ctx context.Context, path string, waiting func()) (release func(), err error) {
	for told := false; ; told = true {
		release, err := Lock(path)
		if !errors.Is(err, ErrLocked) {
			return release, err
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
