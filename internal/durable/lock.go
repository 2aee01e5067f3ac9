package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// ErrLocked means that another process holds a lock.
var ErrLocked = errors.New("another process holds the lock")

// lockInterval is the time between two tries to take a lock.
const lockInterval = 20 * time.Millisecond

// FileLock is a lock that processes take on a file. On Unix it is flock, which the kernel releases when the process
// ends, however it ends; on Windows it is LockFileEx. On NFS mounted with locks, the server keeps it; without locks,
// taking it fails, often with ENOLCK. The file is never removed: otherwise two processes could lock two files of one
// name.
//
// A FileLock must not be shared by goroutines, but two FileLocks of one file exclude each other within a process too.
type FileLock struct {
	path string
	lock *systemLock
}

// NewFileLock returns the lock of the file path. Taking the lock creates the file if it is missing, and fails with
// ErrNotRegular if path is a link, a pipe or a device.
func NewFileLock(path string) *FileLock { return newFileLock(path, os.O_CREATE) }

// newFileLock is NewFileLock, but creates a missing file only with os.O_CREATE.
func newFileLock(path string, flags int) *FileLock {
	return &FileLock{path, newSystemLock(path, flags)}
}

// Path returns the path of the file.
func (l *FileLock) Path() string { return l.path }

// TryExclusive takes the exclusive lock if it is free.
func (l *FileLock) TryExclusive() (free bool, err error) { return l.take(l.lock.TryLock) }

// TryShared takes a shared lock if nobody has the exclusive one. A FileLock that has the exclusive lock downgrades it.
func (l *FileLock) TryShared() (free bool, err error) { return l.take(l.lock.TryRLock) }

// WaitExclusive waits until it has the exclusive lock or ctx ends.
func (l *FileLock) WaitExclusive(ctx context.Context) error {
	_, err := l.take(func() (bool, error) { return l.lock.TryLockContext(ctx, lockInterval) })
	return err
}

// Release releases the lock, which can be taken again.
func (l *FileLock) Release() { _ = l.lock.Unlock() } // never fails for a file that could be locked

func (l *FileLock) take(try func() (bool, error)) (bool, error) {
	free, err := try()
	for errors.Is(err, syscall.EINTR) {
		free, err = try()
	}
	if free || err != nil {
		if info, statErr := os.Lstat(l.path); statErr == nil && !info.Mode().IsRegular() {
			l.Release()
			return false, &fs.PathError{Op: "open", Path: l.path, Err: ErrNotRegular}
		}
	}
	var opened *fs.PathError
	var number syscall.Errno
	if errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &opened) && errors.As(err, &number) {
		err = &fs.PathError{Op: flockOp, Path: l.path, Err: err}
	}
	return free, err
}

// flockOp is the Op of errors of the system's locks.
const flockOp = "flock"

// NoLocks reports whether err means that the disk's locks are missing or fail. Other errors are about opening the
// file.
func NoLocks(err error) bool {
	var about *fs.PathError
	return errors.As(err, &about) && about.Op == flockOp || errors.Is(err, errors.ErrUnsupported)
}

// Lock takes the exclusive lock of a file (see NewFileLock) without waiting. It returns ErrLocked if another process
// has it.
func Lock(path string) (release func(), err error) {
	l := NewFileLock(path)
	free, err := l.TryExclusive()
	if err == nil && !free {
		err = ErrLocked
	}
	if err != nil {
		return nil, err
	}
	return l.Release, nil
}

// WaitLock is Lock, but waits until ctx ends. It calls waiting once if it has to wait.
func WaitLock(ctx context.Context, path string, waiting func()) (release func(), err error) {
	release, err = Lock(path)
	if !errors.Is(err, ErrLocked) {
		return release, err
	}
	waiting()
	l := NewFileLock(path)
	if err := l.WaitExclusive(ctx); err != nil {
		return nil, err
	}
	return l.Release, nil
}
