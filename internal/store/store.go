package store

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"unsafe"

	"fx/internal/fail"
	"fx/internal/float16"
	"fx/internal/progress"
)

// Row describes an embedding. Its strings are valid after Close.
type Row struct {
	Path   string // of the photo, slash-separated, relative to the data: train/ants/x.jpg
	SHA256 SHA256 // of the photo
	Split  string
	Class  string
	Label  int // index into Manifest.Classes; -1 for a photo without a class
	View   int // 0 is the centre view

	file, row int // position of the embedding
}

// Store is an open embedding store. It is safe for concurrent use until Close.
type Store struct {
	Dir      string
	Manifest Manifest

	folder *folder
	layout layout
	rows   []Row
}

// Open maps the store in dir into memory and compares every byte with its checksums. It takes no lock; a run may write
// at the same time. Errors: fail.Store for damaged or missing files, fail.Usage if dir is no store. ReadInfo does not
// read all of a store.
func Open(ctx context.Context, dir string, report progress.Reporter) (*Store, error) {
	for tries := 1; ; tries++ {
		s, err := openUnchecked(dir)
		if err != nil {
			return nil, err
		}
		if err = s.check(ctx, report); err == nil {
			s.collect()
			return s, nil
		}
		s.folder.close()
		// A run with more views or classes changes the manifest before it writes rows.
		now, readErr := ReadManifest(dir)
		if tries == 20 || ctx.Err() != nil || readErr != nil || reflect.DeepEqual(now, s.Manifest) {
			return nil, err
		}
	}
}

// openUnchecked maps a store and checks structure and row descriptions, but not the embeddings. It does not collect
// the rows.
func openUnchecked(dir string) (*Store, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	l := m.layout()
	f, err := openFolder(dir, l)
	if err != nil {
		return nil, fail.Wrap(fail.KindOf(err), err, "", "cannot open the store %s", dir)
	}
	s := &Store{Dir: dir, Manifest: m, folder: f, layout: l}
	if len(f.damaged) > 0 {
		err = f.damaged[0].report()
	} else {
		err = f.checkIndex(dir)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return s, nil
}

// check compares every byte of the open store with its checksum.
func (s *Store) check(ctx context.Context, report progress.Reporter) error {
	if err := s.folder.checkContent(ctx, s.Dir, everyFile, s.Manifest.checkRows, report); err != nil {
		return err
	}
	if len(s.folder.damaged) > 0 {
		forgetChecks(s.Dir)
		return s.folder.damaged[0].report()
	}
	if r := s.folder.report(s.Manifest); len(r.Problems) > 0 {
		p := r.Problems[0]
		return fail.New(fail.Store, p.Fix, "%s: %s", filepath.Join(s.Dir, p.File), p.What)
	}
	return nil
}

// checkIndex returns an error if a shard is missing that the index lists. A run that changes files removes the index
// first, so such a shard was lost.
func (f *folder) checkIndex(dir string) error {
	if f.lost != nil {
		return fail.Wrap(fail.Store, f.lost, fixFinish, "the store %s", dir)
	}
	there := make(map[string]bool, len(f.files))
	for _, file := range f.files {
		there[file.name] = true
	}
	for _, listed := range f.index.Shards {
		if there[listed.Name] {
			continue
		}
		if now, _ := readIndex(dir); now.names()[listed.Name] { // else a run that finishes just now removed it
			return fail.New(fail.Store, "Run the same fx extract again: it computes the missing rows.",
				"the store %s lacks %s, with %d rows", dir, listed.Name, listed.Rows)
		}
	}
	return nil
}

// collect sorts the rows of all shards and drops duplicates. During a run there may be rows of a photo's old and new
// content, and classes may have changed: the newer row counts, and only rows of classes in the manifest.
func (s *Store) collect() {
	label := map[string]int{"": -1}
	for i, c := range s.Manifest.Classes {
		label[c] = i
	}
	all := make([]Row, 0, s.folder.rows())
	for f, file := range s.folder.files {
		for r := range file.rows {
			rec := &file.rows[r]
			if number, known := label[rec.class]; known {
				all = append(all, Row{Path: rec.path, SHA256: rec.sha, Split: rec.split, Class: rec.class,
					Label: number, View: int(rec.view), file: f, row: r})
			}
		}
		file.rows = nil
	}
	newer := func(a, b *Row) bool {
		x, y := s.folder.files[a.file].indexed, s.folder.files[b.file].indexed
		if x != y {
			return y
		}
		return a.file > b.file || a.file == b.file && a.row > b.row
	}
	sort.Slice(all, func(i, j int) bool {
		if c := compareRows(&all[i], &all[j]); c != 0 {
			return c < 0
		}
		return newer(&all[i], &all[j])
	})
	s.rows = all[:0]
	for i := range all {
		if i == 0 || compareRows(&all[i], &s.rows[len(s.rows)-1]) != 0 {
			s.rows = append(s.rows, all[i])
		}
	}
}

// compareRows is the order of dataset.Dataset.Items (which is that of torchvision's ImageFolder), then the view.
func compareRows(a, b *Row) int {
	if c := strings.Compare(a.Split, b.Split); c != 0 {
		return c
	}
	if a.Label != b.Label {
		return a.Label - b.Label
	}
	i, j := strings.LastIndexByte(a.Path, '/'), strings.LastIndexByte(b.Path, '/')
	if c := strings.Compare(a.Path[:max(i, 0)], b.Path[:max(j, 0)]); c != 0 {
		return c
	}
	if c := strings.Compare(a.Path[i+1:], b.Path[j+1:]); c != 0 {
		return c
	}
	return a.View - b.View
}

// Rows returns all rows, sorted by split, label, folder, name and view: row i of a split's view 0 is sample i of
// torchvision's ImageFolder. The caller must not change the slice.
func (s *Store) Rows() []Row { return s.rows }

// Splits returns the names of the splits that have rows, sorted.
func (s *Store) Splits() []string {
	var names []string
	for i := range s.rows {
		if i == 0 || s.rows[i].Split != s.rows[i-1].Split {
			names = append(names, s.rows[i].Split)
		}
	}
	return names
}

// Select returns the indexes of the split's rows of all views up to maxView, in order.
func (s *Store) Select(split string, maxView int) []int {
	var numbers []int
	for i := range s.rows {
		if s.rows[i].Split == split && s.rows[i].View <= maxView {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// Embedding returns the embedding of row i: Manifest.Values() values, row-major in Manifest.FeatureShape. Float32
// stores return the mapped file itself, which must not be written or used after Close, and do not use buffer. Float16
// stores convert into buffer, or into new memory if it is too small.
func (s *Store) Embedding(i int, buffer []float32) []float32 {
	r := &s.rows[i]
	raw := s.folder.files[r.file].embedding(r.row, s.layout.rowBytes)
	if s.layout.dtype == Float32 {
		return asFloat32(raw)
	}
	if cap(buffer) < s.layout.values {
		buffer = make([]float32, s.layout.values)
	}
	buffer = buffer[:s.layout.values]
	for k := range buffer {
		buffer[k] = float16.Float32(uint16(raw[2*k]) | uint16(raw[2*k+1])<<8)
	}
	return buffer
}

// Incomplete returns why the store may lack rows: an unfinished run, or missing parts of a sharded job. It is "" if it
// has found no reason.
func (s *Store) Incomplete() string {
	parts := map[int]map[int]bool{} // count → the parts that exist
	for _, f := range s.folder.files {
		name, ok := parseShardName(f.name)
		switch {
		case !ok || name.part != "":
		case !name.shard.whole():
			if parts[name.shard.Count] == nil {
				parts[name.shard.Count] = map[int]bool{}
			}
			parts[name.shard.Count][name.shard.Index] = true
		default:
			return s.unfinished()
		}
	}
	for count, there := range parts {
		if len(there) < count {
			return fmt.Sprintf("only %d of the %d parts of a sharded extract have rows", len(there), count)
		}
	}
	return s.unfinished()
}

func (s *Store) unfinished() string {
	if parts := s.folder.lackingParts(); parts != "" {
		return parts
	}
	if s.Finished() {
		return ""
	}
	return "the last extract did not run to its end"
}

// Finished reports whether the last run finished: every shard is in the index, and every planned part is done.
func (s *Store) Finished() bool {
	shards := 0
	for _, f := range s.folder.files {
		if isPart(f.name) {
			continue
		}
		if !f.indexed {
			return false
		}
		shards++
	}
	return len(s.folder.index.Shards) == shards && s.folder.open == 0
}

// Close unmaps the files. Embeddings of a float32 store must not be used any more.
func (s *Store) Close() error {
	s.folder.close()
	s.rows = nil
	return nil
}

// asFloat32 views little-endian stored values as numbers. decodeShard has checked the alignment.
func asFloat32(raw []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/4)
}

// asBytes views numbers as they are stored on a little-endian machine.
func asBytes(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}
