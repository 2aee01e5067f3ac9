//go:build unix

package outpath

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// mayMakeFiles returns why this process may make no file in the folder, or nil.
func mayMakeFiles(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write", Path: dir, Err: err}
	}
	return nil
}
