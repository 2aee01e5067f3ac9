package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked tells that another process holds a lock.
var ErrLocked = errors.New("another process holds the lock")

// Lock takes the exclusive lock of a file, which it makes where it is not there,
// without waiting: ErrLocked where another process has it. The kernel frees it
// when release is called or the process ends, however it ends. The file stays:
// removing it would let two processes lock two files of one name.
func Lock(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return func() { _ = f.Close() }, nil // nothing is written through it
	}
	_ = f.Close() // likewise
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrLocked
	}
	return nil, &os.PathError{Op: "flock", Path: path, Err: err}
}
