package testenv

import (
	"errors"
	"io/fs"
	"testing"
)

// MakePipe skips the test: Windows has no pipes in folders.
func MakePipe(t testing.TB, _ string) {
	t.Helper()
	t.Skip("Windows has no pipes in folders")
}

// Interrupt fails: Windows sends Ctrl+C only to all processes of a console.
func Interrupt() error { return errors.ErrUnsupported }

// Inode returns 0, as fx takes it there.
func Inode(fs.FileInfo) uint64 { return 0 }
