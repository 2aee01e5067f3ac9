package filehash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"

	"fx/internal/durable"
)

// Sum returns the SHA-256 of the regular file at path, in lower-case hex, and its length. It reads the whole file,
// unless ctx ends. For a pipe or a device, which might never end, it returns durable.ErrNotRegular.
func Sum(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := durable.OpenToRead(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = file.Close() }() // only read
	return sumOf(ctx, file)
}

// RememberedSum is Sum, but returns the remembered SHA-256 of a large file that has not changed since it was last
// hashed.
func RememberedSum(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := durable.OpenToRead(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = file.Close() }() // only read
	if sum, known := Known(file); known {
		info, err := file.Stat()
		if err != nil {
			return "", 0, err
		}
		return sum, info.Size(), nil
	}
	if sum, size, err = sumOf(ctx, file); err == nil {
		Remember(file, sum)
	}
	return sum, size, err
}

func sumOf(ctx context.Context, file *os.File) (sum string, size int64, err error) {
	hash, block := sha256.New(), make([]byte, 1<<20)
	for ctx.Err() == nil {
		n, err := file.Read(block)
		hash.Write(block[:n])
		size += int64(n)
		if err == io.EOF {
			return hex.EncodeToString(hash.Sum(nil)), size, nil
		}
		if err != nil {
			return "", 0, err
		}
	}
	return "", 0, ctx.Err()
}

// IsSHA256 reports whether s is a SHA-256 in lower-case hex, as Sum returns it.
func IsSHA256(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}
