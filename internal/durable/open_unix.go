//go:build unix

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// With writeFlags an open does not wait for the other end of a pipe, and refuses a link as the last component.
const writeFlags = unix.O_NONBLOCK | unix.O_NOFOLLOW

// openToRead does not wait for the other end of a pipe.
func openToRead(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

func inUse(error) bool { return false }

// isLink reports whether an open with writeFlags failed because the path is a link.
func isLink(err error) bool { return errors.Is(err, unix.ELOOP) }

// links returns the number of hard links of the file, 1 if it is unknown.
func links(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}

func renameOver(from, to string) error { return os.Rename(from, to) }

// SyncDir fsyncs dir, which makes the names in it durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	syncErr := d.Sync()
	if err := d.Close(); err != nil {
		return err
	}
	if syncErr != nil && !errors.Is(syncErr, errors.ErrUnsupported) && !errors.Is(syncErr, fs.ErrInvalid) {
		return fmt.Errorf("fsync %s: %w", dir, syncErr)
	}
	return nil
}
