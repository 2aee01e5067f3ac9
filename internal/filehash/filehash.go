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

// minBytes is the length from which files are remembered. Hashing a smaller file is faster than reading its sum.
const minBytes = 4 << 20

// settled is how long a file must have been unchanged: a second write within the clock's resolution would not change
// its times.
const settled = 2 * time.Second

// identity identifies a file and its state.
type identity struct {
	device, inode    uint64
	size             int64
	modified, change int64 // nanoseconds since 1970: st_mtim and st_ctim
}

// Known returns the remembered SHA-256 of the file, in lower-case hex. ok is false if there is none or the file has
// changed.
func Known(file *os.File) (sum string, ok bool) {
	id, ok := identify(file)
	if !ok || id.size < minBytes {
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

// Remember stores the SHA-256 of the file's content, in lower-case hex. If it can't be stored, Known does not return
// it.
func Remember(file *os.File, sum string) {
	id, ok := identify(file)
	if !ok || id.size < minBytes || time.Since(time.Unix(0, max(id.modified, id.change))) < settled {
		return
	}
	path, err := id.path()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o777)
	}
	if err == nil {
		// Errors are ignored: the cache may be read-only.
		_ = durable.RemoveStaleOf(path)
		_ = durable.WriteBytes(path, []byte(id.line(sum)))
	}
}

// path returns the path of the remembered sum. A new file with the same inode replaces it.
func (id identity) path() (string, error) {
	return paths.Cache("hashes", fmt.Sprintf("%x-%x", id.device, id.inode))
}

func (id identity) line(sum string) string {
	return fmt.Sprintf("%s %d %d %d\n", sum, id.size, id.modified, id.change)
}
