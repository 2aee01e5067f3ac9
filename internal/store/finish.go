package store

import (
	"context"
	"fmt"
	"path/filepath"

	"fx/internal/fail"
)

// Summary is the result of a Writer.
type Summary struct {
	Added     int // rows computed and written
	Copied    int // rows written from a photo's embedding under another path
	Relabeled int // rows whose class or split changed
	Unread    int // rows kept though their photos may not be read now
	Dropped   int // rows of photos that are gone or changed, of views that are not wanted any more, and duplicates
	Files     int // new files
	Rewritten int // files that lost or changed rows
	Removed   int // files that lost their last row
	Rows      int // rows of this process's photos now in the store
}

// Finish drops the rows of photos that are gone or changed and corrects changed labels. It rewrites only the files
// that hold such rows. Call it after the last chunk, and not if the run ended early. A Writer with a Shard touches
// only the rows whose paths the shard owns.
func (w *Writer) Finish(ctx context.Context) (Summary, error) {
	if w.plan == nil || w.written != len(w.plan.Chunks) {
		return w.done, fmt.Errorf("store: Finish before every chunk of the plan was written")
	}
	if err := w.locks.beginMaintenance(ctx); err != nil {
		return w.done, err
	}
	defer w.locks.endMaintenance()
	folder, err := openFolder(w.dir, w.layout)
	if err != nil {
		return w.done, fail.Wrap(fail.KindOf(err), err, "", "cannot open the store %s", w.dir)
	}
	defer folder.close()
	if len(folder.damaged) > 0 {
		return w.done, folder.damaged[0].report()
	}
	known := readChecked(w.dir, w.options.Shard)
	before := map[checkedShard]bool{}
	for _, f := range w.folder.files {
		before[f.checkedShard()] = f.checked || f.known
	}
	for _, f := range folder.files {
		f.known = before[f.checkedShard()] || w.finished[f.name] == f.stat
	}
	left, err := w.rewriteAll(ctx, folder)
	if err != nil {
		return w.done, err
	}
	w.noteChecks(left, known)
	if w.options.Shard.whole() {
		if err := w.putManifest(w.finalManifest()); err != nil {
			return w.done, err
		}
	}
	if w.done.Dropped > 0 {
		w.options.Progress.Note(fmt.Sprintf("dropped %d rows of photos or views that are no longer asked for",
			w.done.Dropped))
	}
	if w.done.Unread > 0 {
		w.options.Progress.Note(fmt.Sprintf("kept %d rows of photos that may not be read, as they were", w.done.Unread))
	}
	w.note(w.stats.compact(w.entries))
	w.noteRejected(w.rejected.rewrite(w.options.Shard))
	if w.options.Shard.whole() {
		return w.done, w.dropPartLogs()
	}
	return w.done, nil
}

// finalManifest returns the wanted manifest: all remaining rows fit it.
func (w *Writer) finalManifest() Manifest {
	m := w.manifest
	m.Made = w.stored.Made.WithPhotosOf(w.manifest.Made)
	return m
}

// rewriteAll rewrites the files that need it, and then the index, which it removes before. It returns the remaining
// files.
func (w *Writer) rewriteAll(ctx context.Context, folder *folder) (left []*shardFile, err error) {
	live := w.newLiveRows()
	indexed := folder.index.names()
	next := index{Shards: []indexedShard{}}
	touched := false
	for _, f := range folder.files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := isPart(f.name)
		if part && !w.options.Shard.whole() { // the whole job takes it in
			continue
		}
		keep, changed := live.keepOrDrop(f, &w.done)
		if (changed || part) && !touched {
			if err := removeIndex(w.dir); err != nil {
				return nil, err
			}
			touched = true
		}
		switch {
		case changed:
			f, err = w.rewrite(ctx, f, keep)
		case part:
			err = w.takeIn(f)
		}
		if err != nil {
			return nil, err
		}
		if f == nil { // it had no row left
			continue
		}
		left = append(left, f)
		// Files of a shard that is still running are not listed: its process will do that.
		if w.mine(f) || indexed[f.name] {
			next.Shards = append(next.Shards, f.entry())
		}
	}
	w.done.Rows = len(live.seen)
	return left, writeIndex(w.dir, next)
}

// rewrite rewrites f with the kept rows and returns it, closed. If there are none, it removes the file and returns
// nil.
func (w *Writer) rewrite(ctx context.Context, f *shardFile, keep []keptRow) (*shardFile, error) {
	if len(keep) == 0 {
		w.done.Removed++
		return nil, remove(w.dir, f.name)
	}
	if err := w.ensure(ctx, f); err != nil {
		return nil, err
	}
	rows := make([]record, len(keep))
	embeddings := make([]byte, 0, len(keep)*w.layout.rowBytes)
	for i, k := range keep {
		rows[i] = k.record
		embeddings = append(embeddings, f.embedding(k.row, w.layout.rowBytes)...)
	}
	w.done.Rewritten++
	name := f.name
	if isPart(name) {
		name = w.nextName()
	}
	if err := writeShard(w.dir, name, w.layout, rows, embeddings, &w.file); err != nil {
		return nil, err
	}
	again, err := openShardFile(w.dir, name, w.layout)
	if err != nil {
		return nil, fail.Wrap(fail.Store, err, "", "cannot read back %s", filepath.Join(w.dir, name))
	}
	if name != f.name {
		if err := remove(w.dir, f.name); err != nil {
			return nil, err
		}
	}
	again.close()
	again.known = true
	return again, nil
}

// liveRows decides which rows to keep.
type liveRows struct {
	w     *Writer
	byRel map[string]int // into Writer.entries
	seen  map[pathKey]bool
}

// keptRow is a row to keep, with its index in the file.
type keptRow struct {
	record
	row int // in the file
}

func (w *Writer) newLiveRows() *liveRows {
	l := &liveRows{w: w, byRel: make(map[string]int, len(w.entries)), seen: map[pathKey]bool{}}
	for i := range w.entries {
		l.byRel[w.entries[i].Rel] = i
	}
	return l
}

// keepOrDrop returns the rows of f to keep, and whether the file must change.
func (l *liveRows) keepOrDrop(f *shardFile, done *Summary) (keep []keptRow, changed bool) {
	for i := range f.rows {
		r := f.rows[i]
		if !l.w.options.Shard.Owns(r.path) {
			keep = append(keep, keptRow{r, i})
			continue
		}
		e, known := l.byRel[r.path]
		key := keyOfRow(r.path, r.sha, r.view)
		unchanged := known && (l.w.denied[e] || l.w.content[e].ok && l.w.content[e].sha == r.sha)
		if !unchanged || int(r.view) > l.w.entries[e].Views || l.seen[key] {
			done.Dropped++
			changed = true
			continue
		}
		if l.w.denied[e] {
			done.Unread++
		}
		l.seen[key] = true
		now := record{path: r.path, split: l.w.entries[e].Split, class: l.w.entries[e].Class, sha: r.sha,
			label: int32(l.w.entries[e].Label), view: r.view}
		if now != r {
			done.Relabeled++
			changed = true
		}
		keep = append(keep, keptRow{now, i})
	}
	return keep, changed
}
