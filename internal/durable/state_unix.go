//go:build unix

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// StateOf returns the state of an open file.
func StateOf(f *os.File) (State, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return State{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return State{uint64(s.Dev), s.Ino, s.Size, s.Mtim.Nano(), s.Ctim.Nano()}, nil
}
