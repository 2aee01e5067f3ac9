package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fx/internal/durable"
)

// fileState is what a directory shows of a photo's file. size is -1 if the state identifies no content.
type fileState struct {
	rel   string
	size  int64
	mtime int64 // nanoseconds
	inode uint64
}

// statKey is the beginning of the SHA-256 of a fileState, which takes less memory.
type statKey [16]byte

func (s fileState) key() statKey {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 256), uint64(s.size))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.mtime))
	b = binary.LittleEndian.AppendUint64(b, s.inode)
	sum := sha256.Sum256(append(b, s.rel...))
	return statKey(sum[:])
}

// state returns the state of the entry's file, and whether it identifies a content.
func (e *Entry) state() (fileState, bool) {
	return fileState{e.Rel, e.Size, e.ModTime.UnixNano(), e.Inode}, !e.ModTime.IsZero() && e.Size >= 0
}

// state returns the state of the file at rel when it was read, and whether it identifies the content.
func (c Content) state(rel string, now time.Time) (fileState, bool) {
	if c.ModTime.IsZero() || now.Sub(c.ModTime) < racy {
		return fileState{rel: rel, size: -1}, false
	}
	return fileState{rel, c.Size, c.ModTime.UnixNano(), c.Inode}, true
}

// statCache remembers the hashes of photos whose files have not changed since they were read. It is a log, and may be
// deleted at any time.
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
	logs, err := logsOf(dir, statCacheFile)
	for _, log := range logs {
		eachLine(log, func(text []byte) {
			if state, sha, ok := parseStat(text); ok {
				c.known[state.key()] = sha
			}
			if log == c.path {
				c.lines++
			}
		})
	}
	return c, err
}

// statText returns the text of a line: hash, size, mtime, inode and quoted path.
func statText(s fileState, sha SHA256) string {
	return fmt.Sprintf("%s %d %d %d %s ", sha, s.size, s.mtime, s.inode, strconv.Quote(s.rel))
}

// parseStat parses what statText returned, without the space at its end.
func parseStat(text []byte) (fileState, SHA256, bool) {
	f := bytes.SplitN(text, []byte(" "), 5)
	if len(f) != 5 {
		return fileState{}, SHA256{}, false
	}
	sha, errSHA := parseSHA256(string(f[0]))
	size, errSize := strconv.ParseInt(string(f[1]), 10, 64)
	mtime, errTime := strconv.ParseInt(string(f[2]), 10, 64)
	inode, errInode := strconv.ParseUint(string(f[3]), 10, 64)
	rel, errRel := strconv.Unquote(string(f[4]))
	ok := errors.Join(errSHA, errSize, errTime, errInode, errRel) == nil
	return fileState{rel, size, mtime, inode}, sha, ok
}

// lookup returns the hash of the photo if its file has not changed since.
func (c *statCache) lookup(e *Entry) (SHA256, bool) {
	state, ok := e.state()
	if !ok {
		return SHA256{}, false
	}
	sha, ok := c.known[state.key()]
	return sha, ok
}

// statEntry is a photo in the log.
type statEntry struct {
	rel     string
	content Content
}

// add appends the new entries that can be trusted to the log.
func (c *statCache) add(entries []statEntry) error {
	return appendLog(c.path, c.news(entries))
}

// news returns the lines of the new entries that can be trusted.
func (c *statCache) news(entries []statEntry) string {
	var b strings.Builder
	for _, e := range entries {
		state, ok := e.content.state(e.rel, c.now())
		if !ok {
			continue
		}
		key := state.key()
		if sha, known := c.known[key]; known && sha == e.content.SHA256 {
			continue
		}
		c.known[key] = e.content.SHA256
		c.lines++
		b.WriteString(logLine(statText(state, e.content.SHA256)))
	}
	return b.String()
}

// compact rewrites the log with only the lines of the given photos, once most lines are of others.
func (c *statCache) compact(live []Entry) error {
	if c.lines <= 2*len(live)+1000 {
		return nil
	}
	return c.rewrite(live)
}

// rewrite rewrites the log with the lines of the given photos.
func (c *statCache) rewrite(live []Entry) error {
	err := durable.WriteFile(c.path, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		for i := range live {
			state, _ := live[i].state()
			if sha, ok := c.lookup(&live[i]); ok {
				if _, err := b.WriteString(logLine(statText(state, sha))); err != nil {
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
