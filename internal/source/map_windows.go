package source

import (
	"io"
	"os"
)

// mapBytes reads the file into memory. Windows would not let anybody replace or remove a file that is mapped.
func mapBytes(f *os.File, size int64) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func unmap([]byte) {}
