package filehash

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fx/internal/durable"
	"fx/internal/paths"
	"fx/internal/userfile"
)

// MinBytes is the length from which on files are remembered: smaller ones are
// hashed faster than a memory of them is read, written and kept.
const MinBytes = 4 << 20

// settled is how long a file must have been left alone: a second write within
// the clock's grain would leave its times as they are.
const settled = 2 * time.Second

// identity is what a file is known by.
type identity struct {
	device, inode    uint64
	size             int64
	modified, change int64 // nanoseconds since 1970: st_mtim and st_ctim
}

// Known returns the SHA-256 of the file, in lower-case hex, where it has not
// changed since Remember was told.
func Known(file *os.File) (sum string, ok bool) {
	id, ok := identify(file)
	if !ok || id.size < MinBytes {
		return "", false
	}
	path, err := id.path()
	if err != nil {
		return "", false
	}
	text, err := userfile.Read(path, 256)
	if err != nil || len(text) < 64 {
		return "", false
	}
	sum = string(text[:64])
	if !IsSHA256(sum) || string(text) != id.line(sum) {
		return "", false
	}
	return sum, true
}

// Remember notes the SHA-256 of the file's content, in lower-case hex. What
// can't be noted is not remembered.
func Remember(file *os.File, sum string) {
	id, ok := identify(file)
	if !ok || id.size < MinBytes || time.Since(time.Unix(0, max(id.modified, id.change))) < settled {
		return
	}
	path, err := id.path()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o777)
	}
	if err == nil {
		// A cache that may not be written to remembers nothing.
		_ = durable.RemoveStaleOf(path)
		_ = durable.WriteBytes(path, []byte(id.line(sum)))
	}
}

// path is where the file's memory lies. Another file in its inode takes its place.
func (id identity) path() (string, error) {
	return paths.Cache("hashes", fmt.Sprintf("%x-%x", id.device, id.inode))
}

func (id identity) line(sum string) string {
	return fmt.Sprintf("%s %d %d %d\n", sum, id.size, id.modified, id.change)
}
