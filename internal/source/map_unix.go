//go:build unix

package source

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapBytes(f *os.File, size int64) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

func unmap(data []byte) { _ = unix.Munmap(data) } // fails only for a mapping that is not ours
