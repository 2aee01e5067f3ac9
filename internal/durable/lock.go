package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// ErrLocked tells that another process holds a lock.
var ErrLocked = errors.New("another process holds the lock")

// lockInterval is how often a lock that is held is tried again.
const lockInterval = 20 * time.Millisecond

// FileLock is a lock that processes take on a file: flock on Unix, which the kernel
// frees when the process ends, however it ends. NFS keeps such locks on the server
// where it is mounted with locks; else taking one fails, often with ENOLCK. The file
// stays: removing it would let two processes lock two files of one name.
//
// It is not for goroutines that share it, but two FileLocks of one file exclude
// each other within a process too.
type FileLock struct {
	path string
	lock *flock.Flock
}

// NewFileLock returns the lock of the file path, which taking it makes where it is
// not there. A link, a pipe or a device in its place is ErrNotRegular.
func NewFileLock(path string) *FileLock { return newFileLock(path, os.O_CREATE) }

// newFileLock opens the file to write, with flags: NFS gives nobody else an exclusive lock.
func newFileLock(path string, flags int) *FileLock {
	return &FileLock{path, flock.New(path, flock.SetFlag(os.O_RDWR|flags|writeFlags), flock.SetPermissions(fileMode))}
}

// Path is the file's.
func (l *FileLock) Path() string { return l.path }

// TryExclusive takes the lock for this process alone, where it is free.
func (l *FileLock) TryExclusive() (free bool, err error) { return l.take(l.lock.TryLock) }

// TryShared takes the lock together with others that share it. A FileLock that has
// it exclusively lets them in.
func (l *FileLock) TryShared() (free bool, err error) { return l.take(l.lock.TryRLock) }

// WaitExclusive is TryExclusive that waits until ctx ends.
func (l *FileLock) WaitExclusive(ctx context.Context) error {
	_, err := l.take(func() (bool, error) { return l.lock.TryLockContext(ctx, lockInterval) })
	return err
}

// Release frees the lock, which can be taken again.
func (l *FileLock) Release() { _ = l.lock.Unlock() } // fails on no file that could be locked

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

// flockOp marks the errors of the system's locks.
const flockOp = "flock"

// NoLocks tells whether a lock could not be taken because the disk has no locks or
// they fail; other errors are about opening the file.
func NoLocks(err error) bool {
	var about *fs.PathError
	return errors.As(err, &about) && about.Op == flockOp || errors.Is(err, errors.ErrUnsupported)
}

// Lock takes the exclusive lock of a file, see NewFileLock, without waiting:
// ErrLocked where another process has it.
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

// WaitLock is Lock that waits until ctx ends. It calls waiting once, where it
// has to wait.
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
