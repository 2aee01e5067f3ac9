package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"fx/internal/fail"
	"fx/internal/progress"
)

// Problem is one thing that Verify found wrong.
type Problem struct {
	File string `json:"file"`
	What string `json:"what"`
	Fix  string `json:"fix"`
}

// Report is what Verify saw.
type Report struct {
	Shards   int       `json:"shards"`
	Rows     int       `json:"rows"`
	Bytes    int64     `json:"bytes"`
	Problems []Problem `json:"problems"`
	Notes    []string  `json:"notes"` // not wrong, but worth knowing: a run that has not finished
}

const (
	fixShard  = "Delete this file and run the same fx extract again: only its rows are computed anew."
	fixFinish = "Run the same fx extract again."
)

// Verify reads every byte of the store in dir and compares it with the checksums
// written with it, so that a flipped bit, a cut or a missing file is found; it
// also looks for values that are NaN or infinite and labels that the manifest
// does not have. The report is filled in either way; any problem makes the
// error a fail.Store. It takes no lock.
func Verify(ctx context.Context, dir string, report progress.Reporter) (Report, error) {
	r := Report{Problems: []Problem{}, Notes: []string{}}
	m, err := ReadManifest(dir)
	if err != nil {
		return r, err
	}
	before := readIndex(dir)
	names, err := listShards(dir)
	if err != nil {
		return r, fail.Wrap(fail.KindOf(err), err, "", "cannot list %s", dir)
	}
	v := &verifier{ctx: ctx, dir: dir, manifest: m, layout: m.layout(), results: make([]shardResult, len(names))}
	if err := v.all(names, report); err != nil {
		return r, err
	}
	v.sum(&r, names, before)
	if !slices.Equal(before.Shards, readIndex(dir).Shards) {
		r.Problems = []Problem{}
		r.Notes = []string{"an extract finished while the store was read, so that nothing is certain: verify it again"}
		return r, nil
	}
	if n := len(r.Problems); n > 0 {
		return r, fail.New(fail.Store, r.Problems[0].Fix, "%s: %d problem%s: %s: %s", dir, n, plural(n), r.Problems[0].File, r.Problems[0].What)
	}
	return r, nil
}

type verifier struct {
	ctx      context.Context
	dir      string
	manifest Manifest
	layout   layout
	results  []shardResult
}

// shardResult is what one shard holds, or what is wrong with it.
type shardResult struct {
	gone    bool // replaced or removed by a run while Verify read it
	size    int64
	entry   indexedShard
	rows    []record
	problem error
}

// all checks the shards on all cores.
func (v *verifier) all(names []string, report progress.Reporter) error {
	var total int64
	for _, n := range names {
		if info, err := os.Stat(filepath.Join(v.dir, n)); err == nil {
			total += info.Size()
		}
	}
	task := report.Begin("verify", total, "bytes")
	defer task.End()
	next := make(chan int)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := range next {
				v.results[i] = v.shard(names[i], task)
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	group.Wait()
	return v.ctx.Err()
}

func (v *verifier) shard(name string, task progress.Task) (r shardResult) {
	f, err := os.Open(filepath.Join(v.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return shardResult{gone: true}
	}
	if err != nil {
		return shardResult{problem: err}
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return shardResult{problem: err}
	}
	r.size = info.Size()
	s, err := openShardFile(v.dir, name, v.layout)
	if err != nil {
		var damage *damagedError
		if errors.As(err, &damage) {
			err = damage.err
		}
		r.problem = err
		return r
	}
	defer s.close()
	first, second, err := findSeals(s.data)
	if err == nil {
		counted := int64(0)
		err = checkWhole(v.ctx, f, r.size, s.seal, first, second, func(n int64) {
			counted += n
			task.Add(n)
		})
		task.Add(max(r.size-counted, 0)) // the seals are in the file but not in its hash
	}
	if err == nil {
		err = v.values(s)
	}
	r.entry, r.rows, r.problem = s.entry(), s.rows, err
	return r
}

// values looks at the rows themselves.
func (v *verifier) values(s *shardFile) error {
	for i := range s.rows {
		rec := &s.rows[i]
		raw := s.embedding(i, v.layout.rowBytes)
		finite := true
		if v.layout.dtype == Float32 {
			for _, x := range asFloat32(raw) {
				finite = finite && x-x == 0
			}
		} else {
			for k := 1; k < len(raw); k += 2 {
				finite = finite && raw[k]&0x7c != 0x7c
			}
		}
		if !finite {
			return fmt.Errorf("the embedding of %s (view %d) has NaN or infinite values", rec.path, rec.view)
		}
		if int(rec.view) > v.manifest.Views {
			return fmt.Errorf("%s has view %d, and the manifest knows %d", rec.path, rec.view, v.manifest.Views)
		}
	}
	return nil
}

// rowKey is what a finished store holds once.
type rowKey struct {
	split, path string
	view        int32
}

// sum puts the results together and compares them with the index.
func (v *verifier) sum(r *Report, names []string, x index) {
	listed := make(map[string]indexedShard, len(x.Shards))
	for _, s := range x.Shards {
		listed[s.Name] = s
	}
	unfinished := 0
	seen := map[rowKey]bool{}
	for i, name := range names {
		got := &v.results[i]
		entry, known := listed[name]
		delete(listed, name)
		if got.gone {
			continue
		}
		r.Shards++
		r.Bytes += got.size
		r.Rows += len(got.rows)
		switch {
		case got.problem != nil:
			r.Problems = append(r.Problems, Problem{name, got.problem.Error(), fixShard})
		case !known:
			unfinished++
		case entry != got.entry:
			r.Problems = append(r.Problems, Problem{name, fmt.Sprintf("not the file that the last run left: %d rows, %d when it finished", got.entry.Rows, entry.Rows), fixShard})
		default: // a run under way may leave rows twice or with an old label
			if what := v.rows(got.rows, seen); what != "" {
				r.Problems = append(r.Problems, Problem{name, what, fixFinish})
			}
		}
	}
	for _, s := range x.Shards {
		if _, missing := listed[s.Name]; missing {
			r.Problems = append(r.Problems, Problem{s.Name, fmt.Sprintf("missing, with %d rows", s.Rows), fixFinish})
		}
	}
	if unfinished > 0 || x.FormatVersion == 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the last extract has not finished (%d files are not in %s yet): its rows count, but run it again for the rest", unfinished, indexFile))
	}
}

// rows returns what a finished run cannot have left, or "".
func (v *verifier) rows(rows []record, seen map[rowKey]bool) string {
	class := map[string]int32{"": -1}
	for i, c := range v.manifest.Classes {
		class[c] = int32(i)
	}
	for i := range rows {
		rec := &rows[i]
		if want, known := class[rec.class]; !known || want != rec.label {
			return fmt.Sprintf("%s has label %d and class %q, which do not fit the manifest", rec.path, rec.label, rec.class)
		}
		key := rowKey{rec.split, rec.path, rec.view}
		if seen[key] {
			return fmt.Sprintf("%s (view %d) is there twice", rec.path, rec.view)
		}
		seen[key] = true
	}
	return ""
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
