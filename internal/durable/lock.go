package durable

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrLocked tells that another process holds a lock.
var ErrLocked = errors.New("another process holds the lock")

// lockInterval is how often WaitLock tries a lock that is held.
const lockInterval = 50 * time.Millisecond

// Lock takes the exclusive lock of a file, which it makes where it is not there,
// without waiting: ErrLocked where another process has it. The kernel frees it
// when release is called or the process ends, however it ends. The file stays:
// removing it would let two processes lock two files of one name. A link in the
// file's place is ErrNotRegular.
func Lock(path string) (release func(), err error) {
	f, err := Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	free, err := tryLock(f)
	if err == nil && free {
		return func() { _ = f.Close() }, nil // nothing is written through it
	}
	_ = f.Close() // likewise
	if err == nil {
		err = ErrLocked
	}
	return nil, err
}

// WaitLock is Lock that waits until ctx ends. It calls waiting once, where it
// has to wait.
func WaitLock(ctx context.Context, path string, waiting func()) (release func(), err error) {
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
		case <-time.After(lockInterval):
		}
	}
}
