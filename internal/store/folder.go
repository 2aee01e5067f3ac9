package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fx/internal/durable"
	"fx/internal/fail"
)

// shardFile is an open shard.
type shardFile struct {
	name    string
	data    []byte // the whole file, mapped
	rows    []record
	values  []byte // the embeddings of all rows, in data
	seal    seal
	stat    fileStat
	indexed bool // listed by the last run that finished
	checked bool // this process compared its content with the seal, see checkContent
	known   bool // another writer compared it, or wrote it
}

// embedding returns the stored bytes of row i.
func (f *shardFile) embedding(i, rowBytes int) []byte {
	return f.values[i*rowBytes : (i+1)*rowBytes : (i+1)*rowBytes]
}

// damagedError means that the bytes of a shard are not those that were written.
type damagedError struct {
	path string
	err  error
	rows int   // that it had; 0 if unknown
	size int64 // of the file
}

// foreign reports whether the shard is whole but belongs to another store.
func (e *damagedError) foreign() bool { return errors.Is(e.err, errForeign) }

func (e *damagedError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.path, e.err) }
func (e *damagedError) Unwrap() error { return e.err }

// report returns the error with its kind and hint.
func (e *damagedError) report() error {
	if e.foreign() {
		return fail.Wrap(fail.Store, e.err, "Move the file away, and run fx extract again.", "%s", e.path)
	}
	return fail.Wrap(fail.Store, e, fixShard, "")
}

// openShardFile maps a shard and checks all of it but the embeddings. The error is a *damagedError for damage and for
// a shard of another store; any other error means that the file could not be read.
func openShardFile(dir, name string, l layout) (*shardFile, error) {
	path := filepath.Join(dir, name)
	data, stat, err := mapFile(path)
	if errors.Is(err, durable.ErrNotRegular) {
		return nil, &damagedError{path: path, err: err}
	}
	if err != nil {
		return nil, err
	}
	f := &shardFile{name: name, data: data, stat: stat}
	if err := f.parse(l); err != nil {
		f.close()
		return nil, &damagedError{path: path, err: err, size: stat.Size}
	}
	f.releaseMemory()
	return f, nil
}

func (f *shardFile) parse(l layout) error {
	s, err := checkHead(f.data)
	if err != nil {
		return err
	}
	rows, at, err := decodeShard(l, f.data)
	if err != nil {
		return err
	}
	if at != s.offset || uint64(len(rows)*l.rowBytes) != s.length {
		return errors.New("its embeddings do not lie where its seal says")
	}
	f.rows, f.seal, f.values = rows, s, f.data[at:at+s.length]
	return nil
}

// mapFile maps a file for reading. For an empty file it returns no bytes.
func mapFile(path string) ([]byte, fileStat, error) {
	f, err := durable.OpenToRead(path)
	if err != nil {
		return nil, fileStat{}, err
	}
	defer func() { _ = f.Close() }() // the mapping stays
	stat, err := fileStatOf(f)
	if err != nil || stat.Size == 0 {
		return nil, stat, err
	}
	data, err := durable.MapBytes(f, stat.Size)
	if err != nil {
		return nil, fileStat{}, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	return data, stat, nil
}

func (f *shardFile) close() {
	if f.data != nil {
		durable.UnmapBytes(f.data)
		f.data, f.values = nil, nil
	}
}

// folder is a consistent view of all shards of a store.
type folder struct {
	files   []*shardFile
	damaged []*damagedError
	index   index // zero if no run has finished
	lost    error // why the index can't be trusted, or nil
	planned int   // parts of the last plan
	open    int   // of planned, not done
}

func (f *folder) close() {
	for _, s := range f.files {
		s.close()
	}
	f.files = nil
}

// rows returns how many rows the shards hold.
func (f *folder) rows() (n int) {
	for _, s := range f.files {
		n += len(s.rows)
	}
	return n
}

// openFolder maps every shard of the store in dir. A writer may add, replace and remove shards at the same time.
// openFolder repeats until the list and the files are the same before and after, so that it misses no row.
func openFolder(dir string, l layout) (*folder, error) {
	for tries := 1; ; tries++ {
		before, err := fingerprint(dir)
		if err != nil {
			return nil, err
		}
		f, err := openListed(dir, l)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || tries == 20 {
			return f, err
		}
		if after, again := fingerprint(dir); err == nil && again == nil && slices.Equal(before, after) {
			return f, nil
		}
		if f != nil {
			f.close()
		}
	}
}

// fingerprint changes whenever a shard is added, replaced or removed.
func fingerprint(dir string) ([]string, error) {
	names, err := listShards(dir)
	for i, n := range names {
		info, err := os.Stat(filepath.Join(dir, n))
		if err != nil {
			continue // removed since
		}
		names[i] = fmt.Sprintf("%s %d %d %d", n, info.Size(), info.ModTime().UnixNano(), inode(info))
	}
	return names, err
}

// listed is called between listing and opening shards; tests replace it.
var listed = func() {}

func openListed(dir string, l layout) (*folder, error) {
	names, err := listShards(dir)
	if err != nil {
		return nil, err
	}
	listed()
	f := &folder{}
	f.index, f.lost = readIndex(dir)
	f.planned, f.open = partsOf(dir)
	indexed := f.index.names()
	for _, n := range names {
		s, err := openShardFile(dir, n, l)
		var damage *damagedError
		switch {
		case errors.As(err, &damage):
			f.damaged = append(f.damaged, damage)
		case err != nil:
			f.close()
			return nil, err
		default:
			s.indexed = indexed[n]
			f.files = append(f.files, s)
		}
	}
	return f, nil
}
