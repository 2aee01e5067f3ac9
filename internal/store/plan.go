package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"fx/internal/fail"
)

// Plan is the remaining work for the photos of one process.
type Plan struct {
	Photos       int // of this process (of its Shard)
	CachedPhotos int // those all of whose rows are in the store
	Rows         int // photos times their views
	CachedRows   int // in the store already, under the photo's path or as a copy of the same photo
	MissingRows  int // to compute
	DamagedRows  int // part of MissingRows: rows in the damaged files that OpenForWriting dropped

	// Rejected are photos that an earlier run rejected and whose files have not changed since. Their rows are not
	// missing.
	Rejected []Rejection

	// Chunks to be passed to WriteChunk in this order. A run that was killed
	// and is started again gets those not yet written, each with the same jobs.
	Chunks []Chunk
}

// Rejection is a rejected photo.
type Rejection struct {
	Entry  int // index into the entries given to Plan
	Reason string
}

// Chunk is the content of one file: consecutive photos.
type Chunk struct {
	Number int   // among all chunks of the photos, finished ones included
	Jobs   []Job // may be empty if rows are only copied

	copies []rowCopy
}

// Job is a photo to decode, with the views to compute.
type Job struct {
	Entry int   // index into the entries given to Plan
	Views []int // ascending; 0 is the centre view
}

// rowCopy is a row whose embedding is in the store under another path.
type rowCopy struct {
	entry, view int // index into Writer.entries
	file, row   int // in Writer.folder
}

// Plan finds which rows the store has and which are missing. It hashes only photos whose file has changed (size, time,
// inode) since fx last read it. In a store without a finished run, it hashes only those of them whose path the store
// has; the others are hashed when Load reads them.
//
// Entries are all photos of the store. Their order decides which rows share a file. A Writer with a Shard selects
// those that it owns. The error is fail.Usage for photos of another folder that would cost the store rows, see
// WriteOptions.ReplaceData.
func (w *Writer) Plan(ctx context.Context, entries []Entry) (*Plan, error) {
	if w.plan != nil {
		return nil, fmt.Errorf("store: Plan called twice")
	}
	if err := w.check(entries); err != nil {
		return nil, err
	}
	w.choose(entries)
	rows := w.rowsInStore()
	if err := w.identify(ctx, rows); err != nil {
		return nil, err
	}
	p := &Plan{Photos: len(w.entries), DamagedRows: w.damaged}
	for i := range w.entries {
		w.planEntry(p, i, w.original(i), rows)
	}
	if err := w.keepsRows(entries); err != nil {
		return nil, err
	}
	w.plan = p
	return p, w.updateManifest(ctx, p)
}

// choose sets the entries of this process.
func (w *Writer) choose(entries []Entry) {
	if w.options.Shard.whole() {
		w.entries = entries
		return
	}
	w.own = map[int]int{}
	for i := range entries {
		if w.options.Shard.Owns(entries[i].Rel) {
			w.own[i] = len(w.entries)
			w.entries, w.originals = append(w.entries, entries[i]), append(w.originals, i)
		}
	}
}

// original returns the index of w.entries[i] among the entries given to Plan.
func (w *Writer) original(i int) int {
	if w.own == nil {
		return i
	}
	return w.originals[i]
}

// index returns the index into w.entries of an entry given to Plan.
func (w *Writer) index(original int) int {
	if w.own == nil {
		return original
	}
	return w.own[original]
}

// planEntry adds entry i to the plan. All its views go into the chunk of its first, so that it is decoded once.
func (w *Writer) planEntry(p *Plan, i, original int, rows *rowIndex) {
	e := &w.entries[i]
	number := p.Rows / w.rowsPerShard()
	var missing []int
	var copies []rowCopy
	k, sha := w.content[i], w.content[i].sha
	for view := range e.Views + 1 {
		p.Rows++
		if _, have := rows.byPath[keyOfRow(e.Rel, sha, int32(view))]; k.ok && have {
			p.CachedRows++
		} else if at, have := rows.byContent[contentKey{sha, int32(view)}]; k.ok && have {
			p.CachedRows++
			copies = append(copies, rowCopy{i, view, at.file, at.row})
		} else {
			missing = append(missing, view)
		}
	}
	if len(missing) == e.Views+1 {
		if r, rejected := w.rejected.lookupContent(e, k); rejected {
			w.Reject(r)
			p.Rejected = append(p.Rejected, Rejection{original, r.Reason})
			return
		}
	}
	p.MissingRows += len(missing)
	if len(missing) == 0 {
		p.CachedPhotos++
	}
	if len(missing)+len(copies) == 0 {
		return
	}
	if n := len(p.Chunks); n == 0 || p.Chunks[n-1].Number != number {
		p.Chunks = append(p.Chunks, Chunk{Number: number})
	}
	c := &p.Chunks[len(p.Chunks)-1]
	c.copies = append(c.copies, copies...)
	if len(missing) > 0 {
		c.Jobs = append(c.Jobs, Job{Entry: original, Views: missing})
	}
}

// check refuses invalid entries.
func (w *Writer) check(entries []Entry) error {
	seen := make(map[string]bool, len(entries))
	for i := range entries {
		e := &entries[i]
		classes := w.manifest.Classes
		switch {
		case e.Rel == "" || seen[e.Rel]:
			return fail.New(fail.Usage, "Every photo must have a path of its own.", "photo %q is there twice", e.Rel)
		case !utf8.ValidString(e.Rel) || !utf8.ValidString(e.Class) || !utf8.ValidString(e.Split):
			return fail.New(fail.Usage, "Rename the file.", "the path %q is not valid UTF-8", e.Rel)
		case e.Views < 0 || e.Views > w.manifest.Views:
			return fmt.Errorf("store: %d views of %s, the manifest says %d", e.Views, e.Rel, w.manifest.Views)
		case e.Class == "" && e.Label != -1,
			e.Class != "" && (e.Label < 0 || e.Label >= len(classes) || classes[e.Label] != e.Class):
			return fmt.Errorf("store: label %d of %s is not class %q of the manifest", e.Label, e.Rel, e.Class)
		}
		seen[e.Rel] = true
	}
	return nil
}

// pathKey is the beginning of the SHA-256 of a row's path, content and view, which takes less memory.
type pathKey [16]byte

func keyOfRow(path string, sha SHA256, view int32) pathKey {
	b := append(make([]byte, 0, 256), sha[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(view))
	sum := sha256.Sum256(append(b, path...))
	return pathKey(sum[:])
}

type contentKey struct {
	sha  SHA256
	view int32
}

// place is the position of a row.
type place struct{ file, row int }

// rowIndex finds rows. byContent contains only rows of finished runs. A row of the run that is being resumed must not
// be copied for a photo that an undisturbed run would have computed: their bytes might differ in the last bit.
type rowIndex struct {
	byPath    map[pathKey]struct{}
	byContent map[contentKey]place
	paths     map[string]bool
	finished  bool // there are rows of finished runs
}

func (w *Writer) rowsInStore() *rowIndex {
	n := w.folder.rows()
	x := &rowIndex{byPath: make(map[pathKey]struct{}, n), byContent: map[contentKey]place{},
		paths: make(map[string]bool, n)}
	for f, file := range w.folder.files {
		for r := range file.rows {
			rec := &file.rows[r]
			x.byPath[keyOfRow(rec.path, rec.sha, rec.view)] = struct{}{}
			x.paths[rec.path] = true
			if file.indexed {
				x.finished = true
				key := contentKey{rec.sha, rec.view}
				if _, have := x.byContent[key]; !have {
					x.byContent[key] = place{f, r}
				}
			}
		}
	}
	return x
}

// identify finds the hashes that the plan needs.
func (w *Writer) identify(ctx context.Context, rows *rowIndex) error {
	w.content = make([]known, len(w.entries))
	var unknown []int
	for i := range w.entries {
		e := &w.entries[i]
		rejected, isRejected := w.rejected.lookup(e)
		if sha, ok := w.stats.lookup(e); ok {
			w.content[i] = known{sha, true}
		} else if isRejected && rejected.Content.SHA256 != (SHA256{}) {
			w.content[i] = known{rejected.Content.SHA256, true}
		} else if isRejected && !rows.paths[e.Rel] {
			continue
		} else if rows.finished || rows.paths[e.Rel] {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	hashed, err := hashAll(ctx, w.entries, unknown, w.options.Progress)
	if err != nil {
		return err
	}
	w.denied = hashed.denied
	var log []statEntry
	for _, i := range unknown {
		if c, ok := hashed.found[i]; ok {
			w.content[i] = known{c.SHA256, true}
			log = append(log, w.entries[i].statEntry(c))
		}
	}
	w.note(w.stats.add(log))
	return nil
}

// updateManifest writes the classes and the number of views that readers need for the planned rows. The provenance
// changes only with new rows.
func (w *Writer) updateManifest(ctx context.Context, p *Plan) error {
	if err := w.locks.beginMaintenance(ctx); err != nil {
		return err
	}
	defer w.locks.endMaintenance()
	stored, err := ReadManifest(w.dir) // another shard may have written it
	if err != nil {
		return err
	}
	w.stored = stored
	m := w.manifest
	if stored.Views > m.Views {
		m.Views = stored.Views
	}
	if stored.Views > 0 {
		m.Seed = stored.Seed // of the rows still there
	}
	if p.MissingRows == 0 {
		m.Made = stored.Made
	}
	return w.putManifest(m)
}
