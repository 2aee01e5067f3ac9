package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fx/internal/durable"
)

// Rejected is a photo that can't be used.
type Rejected struct {
	Path   string `json:"path"` // Entry.Rel
	Reason string `json:"reason"`
	// Content is what was found unusable; zero if not the content is at fault, so that the next run tries again. The
	// hash may be zero alone.
	Content Content `json:"-"`
}

// rejectedFile is the log of rejected photos, of which each writer has one of its own. Finish rewrites it: it then
// lists exactly the photos that the run rejected. An fx that does not know it leaves it alone.
const rejectedFile = "rejected"

// rejectedMark begins each line, with the version of its form.
const rejectedMark = "fx-rejected-1 "

// rejections are the rejected photos that a store knows.
type rejections struct {
	path      string // of this writer's own log
	byState   map[statKey]Rejected
	byContent map[SHA256]Rejected
	last      map[string]Rejected // by path

	now     []Rejected // of this run
	written int        // of now, in the log
}

// openRejections reads the logs of all writers in dir.
func openRejections(dir string, shard Shard) (*rejections, error) {
	x := &rejections{path: filepath.Join(dir, rejectedFile+shard.suffix()), byState: map[statKey]Rejected{},
		byContent: map[SHA256]Rejected{}, last: map[string]Rejected{}}
	logs, err := logsOf(dir, rejectedFile)
	for _, log := range logs {
		eachLine(log, func(text []byte) {
			if r, state, ok := parseRejected(text); ok {
				x.add(r, state)
			}
		})
	}
	return x, err
}

func (x *rejections) add(r Rejected, state fileState) {
	x.last[r.Path] = r
	if state.size >= 0 {
		x.byState[state.key()] = r
	}
	if r.Content.SHA256 != (SHA256{}) {
		x.byContent[r.Content.SHA256] = r
	}
}

// forget makes x know no photo, so that all are tried.
func (x *rejections) forget() { clear(x.byState); clear(x.byContent) }

// lookup returns the rejection of the file in the state of e.
func (x *rejections) lookup(e *Entry) (Rejected, bool) {
	state, ok := e.state()
	if !ok {
		return Rejected{}, false
	}
	r, ok := x.byState[state.key()]
	return r, ok
}

// lookupContent is lookup for the content of e, if it is known.
func (x *rejections) lookupContent(e *Entry, content known) (Rejected, bool) {
	if r, ok := x.lookup(e); ok {
		return r, true
	}
	r, ok := x.byContent[content.sha]
	if !ok || !content.ok {
		return Rejected{}, false
	}
	r.Path = e.Rel
	r.Content = Content{SHA256: content.sha, Size: e.Size, ModTime: e.ModTime, Inode: e.Inode}
	return r, true
}

// text returns the text of a line: mark, hash, size, mtime, inode, quoted path and quoted reason.
func (r Rejected) text(now time.Time) string {
	state, _ := r.Content.state(r.Path, now)
	return fmt.Sprintf("%s%s%s ", rejectedMark, statText(state, r.Content.SHA256), strconv.Quote(r.Reason))
}

// parseRejected parses what text returned, without the space at its end.
func parseRejected(text []byte) (r Rejected, state fileState, ok bool) {
	rest, marked := bytes.CutPrefix(text, []byte(rejectedMark))
	quoted := bytes.LastIndex(rest, []byte(`" "`))
	if !marked || quoted < 0 {
		return r, state, false
	}
	reason, err := strconv.Unquote(string(rest[quoted+2:]))
	state, sha, ok := parseStat(rest[:quoted+1])
	if err != nil || !ok {
		return r, state, false
	}
	r = Rejected{Path: state.rel, Reason: reason, Content: Content{SHA256: sha}}
	if state.size >= 0 {
		r.Content.Size, r.Content.ModTime, r.Content.Inode = state.size, time.Unix(0, state.mtime), state.inode
	}
	return r, state, true
}

// Reject records photos that can't be used. A later run rejects them with the same reason without reading them, unless
// their files have changed or WriteOptions.RetryRejected asks for it. The records become durable with the next chunk.
func (w *Writer) Reject(photos ...Rejected) { w.rejected.now = append(w.rejected.now, photos...) }

// flush appends the new rejections to the log.
func (x *rejections) flush() error {
	var news []Rejected
	now := time.Now()
	for _, r := range x.now[x.written:] {
		if known, ok := x.last[r.Path]; !ok || known.text(now) != r.text(now) {
			news = append(news, r)
		}
	}
	x.written = len(x.now)
	return appendLog(x.path, rejectedLines(news))
}

func rejectedLines(photos []Rejected) string {
	var b strings.Builder
	now := time.Now()
	for _, r := range photos {
		b.WriteString(logLine(r.text(now)))
	}
	return b.String()
}

// rewrite makes the log list the photos that this run rejected. A run of the whole job also removes the logs of others,
// whose photos are now in its own.
func (x *rejections) rewrite(shard Shard) error {
	slices.SortStableFunc(x.now, func(a, b Rejected) int { return cmp.Compare(a.Path, b.Path) })
	text := []byte(rejectedLines(x.now))
	x.written = len(x.now)
	old, err := durable.ReadFile(x.path)
	switch {
	case len(text) == 0 && errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(old, text):
		err = nil
	case len(text) == 0:
		err = remove(filepath.Dir(x.path), filepath.Base(x.path))
	default:
		err = writeFailed(durable.WriteBytes(x.path, text), x.path, len(text))
	}
	if err != nil || !shard.whole() {
		return err
	}
	logs, err := logsIn(filepath.Dir(x.path), rejectedFile)
	for _, log := range logs {
		if log != x.path {
			err = errors.Join(err, os.Remove(log))
		}
	}
	return err
}

// noteRejected reports that rejections can't be recorded, which costs time but no rows.
func (w *Writer) noteRejected(err error) {
	if err != nil {
		w.options.Progress.Note(fmt.Sprintf("cannot record the rejected photos, so that the next run reads them "+
			"again: %v", err))
	}
}

// Rejected returns the photos that the runs on the store rejected and that have no row, in the order of their paths.
func (s *Store) Rejected() ([]Rejected, error) {
	x, err := openRejections(s.Dir, Shard{})
	if err != nil {
		return nil, err
	}
	for i := range s.rows {
		delete(x.last, s.rows[i].Path)
	}
	all := make([]Rejected, 0, len(x.last))
	for _, r := range x.last {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Rejected) int { return cmp.Compare(a.Path, b.Path) })
	return all, nil
}
