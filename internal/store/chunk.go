package store

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sort"

	"fx/internal/fail"
	"fx/internal/float16"
)

// Computed is a computed row.
type Computed struct {
	Entry     int       // index into the entries given to Plan
	View      int       // of the job's Views
	Content   Content   // of the photo when it was read, as from Load
	Embedding []float32 // Manifest.Values() numbers, row-major in Manifest.FeatureShape
}

// WriteChunk writes the computed rows of chunk c, in any order, and those to be copied, as one new file. When it
// returns, they survive a kill or a power cut. Chunks must come in the order of Plan.Chunks. A photo that could not be
// decoded has no row. Errors: fail.NonFinite for NaN and infinite values, which names the photo; fail.DiskFull. After
// an error the store is as before.
func (w *Writer) WriteChunk(c Chunk, rows []Computed) error {
	if w.plan == nil || w.written >= len(w.plan.Chunks) || w.plan.Chunks[w.written].Number != c.Number {
		return fmt.Errorf("store: chunk %d is not the next of the plan", c.Number)
	}
	batch, err := w.batch(c, rows)
	if err != nil {
		return err
	}
	if len(batch) > 0 {
		if err := w.writeBatch(batch); err != nil {
			return err
		}
	}
	w.written++
	w.done.Added += len(rows)
	w.done.Copied += len(c.copies)
	var log []statEntry
	for i := range rows {
		e := w.index(rows[i].Entry)
		w.content[e] = known{rows[i].Content.SHA256, true}
		delete(w.denied, e)
		log = append(log, w.entries[e].statEntry(rows[i].Content))
	}
	w.note(w.stats.add(log))
	w.noteRejected(w.rejected.flush())
	return nil
}

// batchRow is a row to be written, computed or copied.
type batchRow struct {
	entry, view int // entry in Writer.entries
	sha         SHA256
	computed    []float32
	stored      []byte // its embedding, if it is copied
}

// batch returns the rows of c in the order of the plan.
func (w *Writer) batch(c Chunk, rows []Computed) ([]batchRow, error) {
	wanted := map[[2]int]bool{} // entry and view → missing
	for _, j := range c.Jobs {
		for _, v := range j.Views {
			wanted[[2]int{j.Entry, v}] = true
		}
	}
	var batch []batchRow
	for i := range rows {
		r := &rows[i]
		key := [2]int{r.Entry, r.View}
		if !wanted[key] {
			return nil, fmt.Errorf("store: entry %d view %d is not in chunk %d, or there twice", r.Entry, r.View,
				c.Number)
		}
		wanted[key] = false
		e := w.index(r.Entry)
		if r.Content.SHA256 == (SHA256{}) || len(r.Embedding) != w.layout.values {
			return nil, fmt.Errorf("store: %s has %d values, not %d, or no hash", w.entries[e].Rel, len(r.Embedding),
				w.layout.values)
		}
		batch = append(batch, batchRow{entry: e, view: r.View, sha: r.Content.SHA256, computed: r.Embedding})
	}
	for _, k := range c.copies {
		f := w.folder.files[k.file]
		if err := w.ensure(context.Background(), f); err != nil { // a file of a few MiB
			return nil, err
		}
		batch = append(batch, batchRow{entry: k.entry, view: k.view, sha: f.rows[k.row].sha,
			stored: f.embedding(k.row, w.layout.rowBytes)})
	}
	sort.Slice(batch, func(i, j int) bool {
		x, y := &batch[i], &batch[j]
		return x.entry < y.entry || x.entry == y.entry && x.view < y.view
	})
	for i := range batch {
		if err := w.checkFinite(&batch[i]); err != nil {
			return nil, err
		}
	}
	return batch, nil
}

// checkFinite refuses embeddings with NaN or infinite values.
func (w *Writer) checkFinite(r *batchRow) error {
	for k, v := range r.computed {
		if v-v != 0 { // NaN or infinite
			return fail.New(fail.NonFinite,
				"The model gives no usable features for this photo: check the weights, and the photo if it is the "+
					"only one.",
				"value %d of the embedding of %s (view %d) is %v", k, w.entries[r.entry].Rel, r.view, v)
		}
		if w.layout.dtype == Float16 && math.Abs(float64(v)) > float16.Max {
			return fail.New(fail.NonFinite, "Store float32: --dtype float32.",
				"value %d of the embedding of %s (view %d) is %v, above float16's "+
					"%d", k, w.entries[r.entry].Rel, r.view, v, float16.Max)
		}
	}
	return nil
}

func (w *Writer) writeBatch(batch []batchRow) error {
	l := w.layout
	rows, embeddings := w.appendRows(batch, nil, slices.Grow(w.embeddings[:0], len(batch)*l.rowBytes))
	w.embeddings = embeddings
	name := w.nextName()
	if err := writeShard(w.dir, name, l, rows, embeddings, &w.file); err != nil {
		return err
	}
	w.wrote(name)
	w.done.Files++
	return nil
}

// nextName returns the name of this process's next file, the lowest free one.
func (w *Writer) nextName() string {
	number := 0
	for w.numbers[number] {
		number++
	}
	w.numbers[number] = true
	return shardName{shard: w.options.Shard, number: number}.String()
}

// appendRows appends the descriptions and the stored values of a batch.
func (w *Writer) appendRows(batch []batchRow, rows []record, embeddings []byte) ([]record, []byte) {
	for _, r := range batch {
		e := &w.entries[r.entry]
		rows = append(rows, record{path: e.Rel, split: e.Split, class: e.Class, sha: r.sha, label: int32(e.Label),
			view: int32(r.view)})
		switch {
		case r.stored != nil:
			embeddings = append(embeddings, r.stored...)
		case w.layout.dtype == Float32:
			embeddings = append(embeddings, asBytes(r.computed)...)
		default:
			for _, v := range r.computed {
				h := float16.Bits(v)
				embeddings = append(embeddings, byte(h), byte(h>>8))
			}
		}
	}
	return rows, embeddings
}

// writeShard writes a shard durably. file is reused memory.
func writeShard(dir, name string, l layout, rows []record, embeddings []byte, file *bytes.Buffer) error {
	if err := encodeShard(l, rows, embeddings, file); err != nil {
		return fmt.Errorf("store: %s: %w", name, err)
	}
	path := filepath.Join(dir, name)
	return writeFailed(writeFile(path, file.Bytes()), path, file.Len())
}
