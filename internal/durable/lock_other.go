//go:build !unix && !windows

package durable

import (
	"errors"
	"os"
)

// tryLock takes the exclusive lock of an open file, where the system has such locks.
func tryLock(f *os.File) (bool, error) {
	return false, &os.PathError{Op: "flock", Path: f.Name(), Err: errors.ErrUnsupported}
}

// keepLock keeps the lock of f after f is closed, until release is called.
func keepLock(*os.File) (release func(), err error) { return func() {}, nil }
