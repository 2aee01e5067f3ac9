package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// systemLock locks one byte far behind the content of the file: Windows refuses reads and writes of locked bytes. Its
// handle lets others rename and remove the file, as the temporary file's writer does.
type systemLock struct {
	path   string
	create bool
	handle windows.Handle // 0 without a lock
}

func newSystemLock(path string, flags int) *systemLock {
	return &systemLock{path: path, create: flags&os.O_CREATE != 0}
}

// lockedByte is the place of the locked byte.
func lockedByte() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 0x7fffffff} }

func (l *systemLock) TryLock() (bool, error)  { return l.try(windows.LOCKFILE_EXCLUSIVE_LOCK) }
func (l *systemLock) TryRLock() (bool, error) { return l.try(0) }

// TryLockContext tries until it has the exclusive lock or ctx ends.
func (l *systemLock) TryLockContext(ctx context.Context, interval time.Duration) (bool, error) {
	for {
		if free, err := l.TryLock(); free || err != nil {
			return free, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(interval):
		}
	}
}

// try takes the lock in the given mode, in place of the one that it has.
func (l *systemLock) try(mode uint32) (bool, error) {
	if l.handle == 0 {
		if err := l.open(); err != nil {
			return false, &fs.PathError{Op: "open", Path: l.path, Err: err}
		}
	} else if err := windows.UnlockFileEx(l.handle, 0, 1, 0, lockedByte()); err != nil {
		return false, err
	}
	err := windows.LockFileEx(l.handle, mode|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, lockedByte())
	if err == nil {
		return true, nil
	}
	_ = l.Unlock() // the first error is the one to report
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return false, err
}

// open opens the file itself, not what a link leads to.
func (l *systemLock) open() error {
	name, err := windows.UTF16PtrFromString(l.path)
	if err != nil {
		return err
	}
	disposition := uint32(windows.OPEN_EXISTING)
	if l.create {
		disposition = windows.OPEN_ALWAYS
	}
	l.handle, err = windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, disposition,
		windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		l.handle = 0
	}
	return err
}

// Unlock releases the lock and closes the file.
func (l *systemLock) Unlock() error {
	if l.handle == 0 {
		return nil
	}
	handle := l.handle
	l.handle = 0
	return windows.CloseHandle(handle)
}
