package durable

import (
	"io"
	"os"
)

// MapBytes reads the size bytes of an open file into memory. Windows would not let anybody replace or remove a file
// that is mapped.
func MapBytes(f *os.File, size int64) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

// UnmapBytes ends a mapping.
func UnmapBytes([]byte) {}
