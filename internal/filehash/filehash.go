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

// Known returns the remembered SHA-256 of the file, in lower-case hex. ok is false if there is none or the file has
// changed.
func Known(file *os.File) (sum string, ok bool) {
	id, ok := identify(file)
	if !ok || id.Size < minBytes {
		return "", false
	}
	path, err := pathOf(id)
	if err != nil {
		return "", false
	}
	text, err := userfile.Read(path, 256)
	if err != nil || len(text) < 64 {
		return "", false
	}
	sum = string(text[:64])
	if !IsSHA256(sum) || string(text) != line(id, sum) {
		return "", false
	}
	return sum, true
}

// Remember stores the SHA-256 of the file's content, in lower-case hex. If it can't be stored, Known does not return
// it.
func Remember(file *os.File, sum string) {
	id, ok := identify(file)
	if !ok || id.Size < minBytes || time.Since(time.Unix(0, max(id.Modified, id.Changed))) < settled {
		return
	}
	path, err := pathOf(id)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o777)
	}
	if err == nil {
		// Errors are ignored: the cache may be read-only.
		_ = durable.RemoveStaleOf(path)
		_ = durable.WriteBytes(path, []byte(line(id, sum)))
	}
}

// identify returns the state of a regular file.
func identify(file *os.File) (id durable.State, ok bool) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return id, false
	}
	id, err = durable.StateOf(file)
	return id, err == nil
}

// pathOf returns the path of the remembered sum. A new file with the same inode replaces it.
func pathOf(id durable.State) (string, error) {
	return paths.Cache("hashes", fmt.Sprintf("%x-%x", id.Device, id.Inode))
}

func line(id durable.State, sum string) string {
	return fmt.Sprintf("%s %d %d %d\n", sum, id.Size, id.Modified, id.Changed)
}
