package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/progress"
)

// A part is a group of photos whose rows one process computes without a lock. Its rows are in part-ID.arrow, a file
// like a shard. part-ID.log has the hashes of its photos' files and its rejected photos, in the lines of the other
// logs, and before them a line with the number of rows; the part is done if both are there. The log appears first, so
// the rows never lack it. A run of the whole job takes both into the store's other files.

// partMark begins the first line of a part's log, with the version of its form. The number of rows follows.
const partMark = "fx-part-1 "

// partName returns the name of the part's file with the ending "arrow" or "log".
func partName(id, ending string) string { return "part-" + id + "." + ending }

// isPartLog reports whether name is that of a part's log.
func isPartLog(name string) bool {
	return strings.HasPrefix(name, "part-") && strings.HasSuffix(name, ".log") && !durable.IsTemporary(name)
}

// PartID returns the ID of the part of these entries in the store m: a hash of all on which its rows depend, as far as
// listings show it.
func (m Manifest) PartID(entries []Entry) string {
	h := sha256.New()
	fmt.Fprintf(h, "part 1 %s\n", m.identity())
	if slices.ContainsFunc(entries, func(e Entry) bool { return e.Views > 0 }) {
		fmt.Fprintf(h, "seed %d\n", m.Seed)
	}
	for i := range entries {
		e := &entries[i]
		fmt.Fprintf(h, "%q %q %q %d %d %d %d\n", e.Rel, e.Split, e.Class, e.Views, e.Size, e.ModTime.UnixNano(),
			e.Inode)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// PartResult is what a part that is done has.
type PartResult struct {
	Rows     int
	Rejected []Rejected
}

// ReadPart returns the result of a part, and whether it is done: its log is there, and its rows are and fit their
// checksum.
func ReadPart(ctx context.Context, dir string, m Manifest, id string) (r PartResult, done bool, err error) {
	r.Rows = -1
	eachLine(filepath.Join(dir, partName(id, "log")), func(text []byte) {
		if rows, ok := bytes.CutPrefix(text, []byte(partMark)); ok {
			if n, err := strconv.Atoi(string(rows)); err == nil && n >= 0 {
				r.Rows = n
			}
		} else if photo, _, ok := parseRejected(text); ok {
			r.Rejected = append(r.Rejected, photo)
		}
	})
	if r.Rows <= 0 {
		return r, r.Rows == 0, nil
	}
	f, err := openShardFile(dir, partName(id, "arrow"), m.layout())
	if err == nil {
		defer f.close()
		err = f.checkContent(ctx, dir, nil, func(int64) {})
	}
	var damage *damagedError
	if errors.Is(err, os.ErrNotExist) || errors.As(err, &damage) {
		return r, false, nil
	}
	return r, err == nil && len(f.rows) == r.Rows, err
}

// PartWriter computes a part of a store. It takes no lock, and nothing of it is in the store before Finish. It is used
// as a Writer, and not safe for concurrent use.
type PartWriter struct {
	w          *Writer // of the part alone: it has no folder and no locks
	id         string
	rows       []record
	embeddings []byte
	photos     []statEntry
}

// OpenPart opens the part of the entries in the store in dir. Errors: fail.Usage if dir is no store, if its rows are
// made differently from manifest, or if it lacks the class of an entry.
func OpenPart(dir string, manifest Manifest, entries []Entry, report progress.Reporter) (*PartWriter, error) {
	stored, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	if err := stored.allows(manifest, dir); err != nil {
		return nil, err
	}
	label := map[string]int{"": -1}
	for i, c := range stored.Classes {
		label[c] = i
	}
	w := &Writer{dir: dir, manifest: stored, stored: stored, layout: stored.layout(), locks: &locks{},
		options: WriteOptions{Progress: report}, rejected: &rejections{}, folder: &folder{},
		content: make([]known, len(entries)), entries: entries}
	for i := range entries {
		number, known := label[entries[i].Class]
		if !known {
			return nil, fail.New(fail.Usage, "Plan the parts again.", "%s has no class %q any more", dir,
				entries[i].Class)
		}
		entries[i].Label = number
	}
	p := &PartWriter{w: w, id: stored.PartID(entries)}
	for _, ending := range []string{"log", "arrow"} { // what a killed process left of them
		if err := durable.RemoveStaleOf(filepath.Join(dir, partName(p.id, ending))); err != nil {
			return nil, fail.Wrap(fail.KindOf(err), err, "", "cannot clear up in %s", dir)
		}
	}
	return p, w.check(entries)
}

// Plan returns the plan for all rows of the part.
func (p *PartWriter) Plan() *Plan {
	rows := &rowIndex{}
	plan := &Plan{Photos: len(p.w.entries)}
	for i := range p.w.entries {
		p.w.planEntry(plan, i, i, rows)
	}
	p.w.plan = plan
	p.embeddings = make([]byte, 0, plan.Rows*p.w.layout.rowBytes)
	return plan
}

// WriteChunk takes the computed rows of a chunk, as Writer.WriteChunk does.
func (p *PartWriter) WriteChunk(c Chunk, rows []Computed) error {
	batch, err := p.w.batch(c, rows)
	if err != nil {
		return err
	}
	p.rows, p.embeddings = p.w.appendRows(batch, p.rows, p.embeddings)
	for i := range rows {
		p.photos = append(p.photos, p.w.entries[rows[i].Entry].statEntry(rows[i].Content))
	}
	p.w.written++
	p.w.done.Added += len(rows)
	return nil
}

// Reject records photos that can't be used, as Writer.Reject does.
func (p *PartWriter) Reject(photos ...Rejected) { p.w.Reject(photos...) }

// Finish writes the part.
func (p *PartWriter) Finish(context.Context) (Summary, error) {
	w := p.w
	if w.plan == nil || w.written != len(w.plan.Chunks) {
		return w.done, fmt.Errorf("store: Finish before every chunk of the part was written")
	}
	stats := &statCache{known: map[statKey]SHA256{}, now: time.Now}
	log := logLine(fmt.Sprintf("%s%d ", partMark, len(p.rows))) + stats.news(p.photos) + rejectedLines(w.rejected.now)
	path := filepath.Join(w.dir, partName(p.id, "log"))
	if err := writeFailed(writeFile(path, []byte(log)), path, len(log)); err != nil {
		return w.done, err
	}
	w.done.Rows = len(p.rows)
	if len(p.rows) == 0 {
		return w.done, nil
	}
	w.done.Files++
	return w.done, writeShard(w.dir, partName(p.id, "arrow"), w.layout, p.rows, p.embeddings, &w.file)
}

// Close releases the memory of the part. What Finish has not written is lost.
func (p *PartWriter) Close() { p.rows, p.embeddings = nil, nil }
