//go:build unix

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// MapBytes returns the size bytes of an open file, mapped into memory. The caller must call UnmapBytes.
func MapBytes(f *os.File, size int64) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

// UnmapBytes ends a mapping.
func UnmapBytes(data []byte) { _ = unix.Munmap(data) } // fails only for a mapping that is not ours
