//go:build unix

package testenv

import (
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// MakePipe makes a named pipe, or skips the test where none can be made.
func MakePipe(t testing.TB, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Skip(err)
	}
}

// Interrupt sends this process the signal of Ctrl+C.
func Interrupt() error { return syscall.Kill(os.Getpid(), syscall.SIGINT) }

// Inode returns the file's inode number.
func Inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }
