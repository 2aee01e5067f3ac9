package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/outpath"
	"fx/internal/progress"
)

// WriteOptions of OpenForWriting. The zero value is for the whole job, and does not wait for a lock.
type WriteOptions struct {
	Shard    Shard             // the part of the photos that this process does
	Wait     time.Duration     // how long to wait for another writer to end
	Progress progress.Reporter // nil is progress.Discard

	Force bool // write to a folder that is no store, and ReplaceData

	// ReplaceData drops rows of photos that are not in the entries, even if the store's photos are of another folder
	// or list. Rows of photos that are gone from the same folder are always dropped.
	ReplaceData bool

	// VerifyContent compares all stored rows with their checksums. Otherwise only files are compared that are new or
	// have changed since the last check.
	VerifyContent bool

	// RetryRejected tries the photos that an earlier run rejected, though their files have not changed.
	RetryRejected bool

	// RowsPerShard is the number of rows in a file; 0 chooses 16 MiB worth, between 32 and 128. A resumed run must use
	// the same number.
	RowsPerShard int
}

// Writer writes a store, under its lock. Call Plan, WriteChunk for every chunk, Finish and Close, in this order; Close
// alone keeps what was written so far. It is not safe for concurrent use.
type Writer struct {
	dir      string
	manifest Manifest // wanted
	stored   Manifest // in the folder
	options  WriteOptions
	layout   layout
	locks    *locks
	folder   *folder
	stats    *statCache
	rejected *rejections
	partLogs []string // that the logs above include

	entries   []Entry      // of this process
	own       map[int]int  // index into the entries given to Plan → into entries; nil for the whole job, which has all
	originals []int        // of entries among those given to Plan; nil likewise
	content   []known      // of entries
	denied    map[int]bool // of entries that may not be read, so it is unknown whether their rows are still right
	plan      *Plan
	written   int // chunks
	numbers   map[int]bool
	done      Summary
	damaged   int // rows in the files that were dropped

	finished   map[string]fileStat // shards that this process wrote, in the state in which it left them
	embeddings []byte              // of the file being written
	file       bytes.Buffer        // reused: allocating for each file costs more than the copying
}

// known is the content of an entry, if it is known.
type known struct {
	sha SHA256
	ok  bool
}

// OpenForWriting opens or creates the store in dir and locks it for this process. It removes incomplete files of
// killed processes, checks the shards that are new or changed since the last check, and drops damaged ones, whose rows
// are computed again (see Plan.DamagedRows). Errors: fail.Usage with each difference if the stored rows were made
// differently; fail.Locked with its name if another process writes the store, after options.Wait.
func OpenForWriting(ctx context.Context, dir string, manifest Manifest, options WriteOptions) (*Writer, error) {
	if options.Progress == nil {
		options.Progress = progress.Discard
	}
	if err := errors.Join(manifest.Check(), options.Shard.check()); err != nil {
		return nil, fail.Wrap(fail.Usage, err, "", "cannot make the store %s", dir)
	}
	if err := prepare(dir, manifest.Made.Data, options.Force); err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, manifest: manifest, options: options, layout: manifest.layout(),
		finished: map[string]fileStat{}}
	var err error
	if w.locks, err = acquire(ctx, dir, options.Shard, options.Wait, options.Progress); err != nil {
		return nil, err
	}
	defer w.locks.endMaintenance()
	if err := w.open(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// prepare creates dir, and refuses a folder that contains something else or is among the photos.
func prepare(dir, photos string, force bool) error {
	if err := outpath.Prepare(force, outpath.Target{Kind: outpath.Store, Path: dir, Photos: photos}); err != nil {
		return err
	}
	return writeFailed(os.MkdirAll(dir, 0o777), dir, 0)
}

// open reads the content of the folder; the locks are held.
func (w *Writer) open(ctx context.Context) error {
	if w.options.Shard.whole() {
		if err := durable.RemoveStale(w.dir); err != nil {
			return fail.Wrap(fail.KindOf(err), err, "", "cannot clear up in %s", w.dir)
		}
	}
	if err := w.checkManifest(); err != nil {
		return err
	}
	var err error
	if w.folder, err = openFolder(w.dir, w.layout); err != nil {
		return fail.Wrap(fail.KindOf(err), err, "", "cannot open the store %s", w.dir)
	}
	if err := w.checkShards(ctx); err != nil {
		return err
	}
	w.numbers = map[int]bool{}
	for _, f := range w.folder.files {
		if n, _ := parseShardName(f.name); n.shard == w.options.Shard && n.part == "" {
			w.numbers[n.number] = true
		}
	}
	if w.partLogs, err = partLogs(w.dir); err != nil {
		return err
	}
	if w.stats, err = openStatCache(w.dir, w.options.Shard); err != nil {
		return err
	}
	if w.rejected, err = openRejections(w.dir, w.options.Shard); err == nil && w.options.RetryRejected {
		w.rejected.forget()
	}
	return err
}

// checkManifest compares the stored manifest with the wanted one, and writes it into a new store.
func (w *Writer) checkManifest() error {
	stored, err := ReadManifest(w.dir)
	if err == nil {
		w.stored = stored
		return stored.allows(w.manifest, w.dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return w.putManifest(w.manifest)
}

// allows returns an error if rows of now must not be in the store m in dir.
func (m Manifest) allows(now Manifest, dir string) error {
	if d := m.Diff(now); len(d) > 0 {
		return fail.New(fail.Usage,
			"Extract into another folder, run with the store's settings, or delete the store to make it anew.",
			"%s was made differently:\n  %s", dir, strings.Join(d, "\n  "))
	}
	return nil
}

// putManifest writes m unless the file has this content.
func (w *Writer) putManifest(m Manifest) error {
	text, err := m.encode()
	if err != nil {
		return err
	}
	path := filepath.Join(w.dir, manifestFile)
	if old, err := durable.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	w.stored = m
	return writeFailed(writeFile(path, text), path, len(text))
}

// rowsPerShard bounds the memory of a chunk, the work that a kill can lose (half a minute for a network that does five
// photos a second) and the number of files.
func (w *Writer) rowsPerShard() int {
	if w.options.RowsPerShard > 0 {
		return w.options.RowsPerShard
	}
	return min(max((16<<20)/w.layout.rowBytes, 32), 128)
}

// note reports problems with the cache of file hashes, which cost time but no rows.
func (w *Writer) note(err error) {
	if err != nil {
		w.options.Progress.Note(fmt.Sprintf("cannot keep the hashes of the photos, so that the next run reads them "+
			"all: %v", err))
	}
}

// Close unmaps the store and releases its lock. It may be called at any time, and more than once.
func (w *Writer) Close() {
	if w.rejected != nil {
		w.noteRejected(w.rejected.flush())
	}
	if w.folder != nil {
		w.folder.close()
	}
	w.locks.release()
}
