package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fx/internal/durable"
)

// statKey identifies a photo's file by what a directory shows.
type statKey struct {
	rel   string
	size  int64
	mtime int64 // nanoseconds
	inode uint64
}

func keyOf(rel string, size int64, mtime time.Time, inode uint64) statKey {
	return statKey{rel, size, mtime.UnixNano(), inode}
}

// statCache remembers the hashes of photos whose files have not changed since they were read. It is a log of lines
// with a checksum each, extended after every chunk. It may be deleted at any time, and damaged lines are ignored.
type statCache struct {
	path  string // of this writer's own log
	known map[statKey]SHA256
	lines int // in the own log
	now   func() time.Time
}

// racy is the minimal age of a file for its stat to be trusted: a second write within the clock's resolution would not
// change size and time.
const racy = 2 * time.Second

// openStatCache reads the logs of all writers in dir.
func openStatCache(dir string, shard Shard) (*statCache, error) {
	c := &statCache{path: filepath.Join(dir, statCacheFile+shard.suffix()), known: map[statKey]SHA256{}, now: time.Now}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		log := filepath.Join(dir, e.Name())
		if !strings.HasPrefix(e.Name(), statCacheFile) || !e.Type().IsRegular() {
			continue
		}
		text, err := durable.ReadFile(log)
		if err != nil {
			continue // damaged: ignored
		}
		for line := range bytes.Lines(text) {
			if key, sha, ok := parseStatLine(line); ok {
				c.known[key] = sha
			}
			if log == c.path {
				c.lines++
			}
		}
	}
	return c, nil
}

// statLine returns a line: hash, size, mtime, inode, quoted path, and the CRC-32 of all before.
func statLine(k statKey, sha SHA256) string {
	text := fmt.Sprintf("%s %d %d %d %s ", sha, k.size, k.mtime, k.inode, strconv.Quote(k.rel))
	return fmt.Sprintf("%s%08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

func parseStatLine(line []byte) (statKey, SHA256, bool) {
	const sum = 9 // eight digits and a newline
	if len(line) < sum+1 || line[len(line)-1] != '\n' {
		return statKey{}, SHA256{}, false
	}
	text := string(line[:len(line)-sum])
	if crc, err := strconv.ParseUint(string(line[len(text):len(line)-1]), 16, 32); err != nil ||
		uint32(crc) != crc32.ChecksumIEEE([]byte(text)) {
		return statKey{}, SHA256{}, false
	}
	f := strings.SplitN(strings.TrimSuffix(text, " "), " ", 5)
	if len(f) != 5 {
		return statKey{}, SHA256{}, false
	}
	sha, errSHA := parseSHA256(f[0])
	size, errSize := strconv.ParseInt(f[1], 10, 64)
	mtime, errTime := strconv.ParseInt(f[2], 10, 64)
	inode, errInode := strconv.ParseUint(f[3], 10, 64)
	rel, errRel := strconv.Unquote(f[4])
	ok := errors.Join(errSHA, errSize, errTime, errInode, errRel) == nil
	return statKey{rel, size, mtime, inode}, sha, ok
}

// lookup returns the hash of the photo if its file has not changed since.
func (c *statCache) lookup(e *Entry) (SHA256, bool) {
	if e.ModTime.IsZero() || e.Size < 0 {
		return SHA256{}, false
	}
	sha, ok := c.known[keyOf(e.Rel, e.Size, e.ModTime, e.Inode)]
	return sha, ok
}

// statEntry is a photo in the log.
type statEntry struct {
	rel     string
	content Content
}

// add appends the new entries that can be trusted to the log.
func (c *statCache) add(entries []statEntry) error {
	var b strings.Builder
	for _, e := range entries {
		mtime := e.content.ModTime
		if mtime.IsZero() || c.now().Sub(mtime) < racy {
			continue
		}
		key := keyOf(e.rel, e.content.Size, mtime, e.content.Inode)
		if sha, known := c.known[key]; known && sha == e.content.SHA256 {
			continue
		}
		c.known[key] = e.content.SHA256
		c.lines++
		b.WriteString(statLine(key, e.content.SHA256))
	}
	if b.Len() == 0 {
		return nil
	}
	f, err := durable.OpenAppend(c.path)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}

// compact rewrites the log with only the lines of the given photos, once most lines are of others.
func (c *statCache) compact(live []Entry) error {
	if c.lines <= 2*len(live)+1000 {
		return nil
	}
	err := durable.WriteFile(c.path, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		for i := range live {
			e := &live[i]
			if sha, ok := c.lookup(e); ok {
				if _, err := b.WriteString(statLine(keyOf(e.Rel, e.Size, e.ModTime, e.Inode), sha)); err != nil {
					return err
				}
			}
		}
		return b.Flush()
	})
	if errors.Is(err, fs.ErrPermission) {
		return nil // it is only a cache
	}
	return err
}
