package store

import (
	"io"
	"io/fs"
	"os"
)

// mapBytes reads the file into memory. Windows would not let a writer replace or remove a file that is mapped.
func mapBytes(f *os.File, size int64) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func unmap([]byte) {}

func (*shardFile) releaseMemory() {}

func inode(fs.FileInfo) uint64 { return 0 }
