package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"

	"fx/internal/fail"
	"fx/internal/progress"
)

// Problem is a fault that Verify found.
type Problem struct {
	File string `json:"file"`
	What string `json:"what"`
	Fix  string `json:"fix"`
}

// Report is the result of Verify.
type Report struct {
	Shards   int       `json:"shards"`
	Rows     int       `json:"rows"`
	Bytes    int64     `json:"bytes"`
	Problems []Problem `json:"problems"`
	Notes    []string  `json:"notes"` // no faults, but worth knowing: an unfinished run
}

const (
	fixShard = "Run the same `fx extract` again with `--verify-content`: it drops the damaged file and recomputes " +
		"its rows."
	fixFinish = "Run the same `fx extract` again."
)

// Verify reads every byte of the store in dir and compares it with its checksums, so it finds a flipped bit, a
// truncation or a missing file. It also finds NaN and infinite values, and labels that the manifest does not have. The
// report is complete even with an error, which is of kind fail.Store for any problem. Verify takes no lock.
func Verify(ctx context.Context, dir string, report progress.Reporter) (Report, error) {
	r := Report{Problems: []Problem{}, Notes: []string{}}
	m, err := ReadManifest(dir)
	if err != nil {
		return r, err
	}
	f, err := openFolder(dir, m.layout())
	if err != nil {
		return r, fail.Wrap(fail.KindOf(err), err, "", "cannot open the store %s", dir)
	}
	defer f.close()
	if err := f.checkContent(ctx, dir, everyFile, m.checkRows, report); err != nil {
		return r, err
	}
	r = f.report(m)
	if n := len(r.Problems); n > 0 {
		forgetChecks(dir)
		return r, fail.New(fail.Store, r.Problems[0].Fix, "%s: %d problem%s: %s: %s", dir, n, plural(n),
			r.Problems[0].File, r.Problems[0].What)
	}
	return r, nil
}

// everyFile selects all files of a folder.
func everyFile(*shardFile) bool { return true }

// checkContent compares every byte of the files that which selects with their seals, on all cores, and calls also, if
// it is not nil, for their rows. It moves damaged files from f.files to f.damaged. The error means that a file can't
// be read, or is that of ctx.
func (f *folder) checkContent(ctx context.Context, dir string, which func(*shardFile) bool,
	also func(*shardFile) error, report progress.Reporter) error {
	var total int64
	for _, s := range f.files {
		if which(s) {
			total += s.stat.Size
		}
	}
	if total == 0 {
		return nil
	}
	task := report.Begin("verify", total, "bytes")
	defer task.End()
	results := make([]error, len(f.files))
	next := make(chan int)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := range next {
				results[i] = f.files[i].checkContent(ctx, dir, also, task.Add)
			}
		})
	}
	for i, s := range f.files {
		if which(s) {
			next <- i
		}
	}
	close(next)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.setApart(results)
}

// setApart moves the damaged files away, and returns any other error.
func (f *folder) setApart(results []error) error {
	var whole []*shardFile
	var unread error
	for i, s := range f.files {
		var damage *damagedError
		switch err := results[i]; {
		case err == nil:
			whole = append(whole, s)
		case errors.As(err, &damage):
			f.damaged = append(f.damaged, damage)
			s.close()
		default:
			whole = append(whole, s)
			unread = err
		}
	}
	f.files = whole
	return unread
}

// checkContent compares every byte of the mapped file with its seal. The error is a *damagedError for damage.
func (f *shardFile) checkContent(ctx context.Context, dir string, also func(*shardFile) error,
	seen func(int64)) (err error) {
	path := filepath.Join(dir, f.name)
	// Reading from a failing disk is a memory fault under a mapping; here it becomes an error.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, isFault := p.(interface{ Addr() uintptr }); !isFault {
				panic(p)
			}
			err = fail.New(fail.System, "Run it again; if it stays, check the disk.",
				"cannot read %s: the disk failed, or the file was cut", path)
		}
	}()
	defer f.releaseMemory()
	if err = checkWhole(ctx, f.data, f.seal, seen); err == nil && also != nil {
		err = also(f)
	}
	if err == nil || ctx.Err() != nil {
		f.checked = err == nil
		return err
	}
	return &damagedError{path: path, err: err, rows: len(f.rows), size: f.stat.Size}
}

// checkRows returns an error for values and views that a whole file can't have.
func (m Manifest) checkRows(s *shardFile) error {
	l := m.layout()
	for i := range s.rows {
		rec := &s.rows[i]
		raw := s.embedding(i, l.rowBytes)
		finite := true
		if l.dtype == Float32 {
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
		if int(rec.view) > m.Views {
			return fmt.Errorf("%s has view %d, and the manifest knows %d", rec.path, rec.view, m.Views)
		}
	}
	return nil
}

// report compares the files, whose content was checked, with the index.
func (f *folder) report(m Manifest) Report {
	r := Report{Problems: []Problem{}, Notes: []string{}}
	listed := make(map[string]indexedShard, len(f.index.Shards))
	for _, s := range f.index.Shards {
		listed[s.Name] = s
	}
	if f.lost != nil {
		r.Problems = append(r.Problems, Problem{indexFile, f.lost.Error(), fixFinish})
	}
	for _, d := range f.damaged {
		name := filepath.Base(d.path)
		delete(listed, name)
		r.Shards, r.Bytes, r.Rows = r.Shards+1, r.Bytes+d.size, r.Rows+d.rows
		r.Problems = append(r.Problems, Problem{name, d.err.Error(), fixShard})
	}
	unfinished := 0
	seen := map[rowKey]bool{}
	for _, s := range f.files {
		entry, known := listed[s.name]
		delete(listed, s.name)
		r.Shards, r.Bytes, r.Rows = r.Shards+1, r.Bytes+s.stat.Size, r.Rows+len(s.rows)
		switch {
		case isPart(s.name): // no run lists it
		case !known:
			unfinished++
		case entry != s.entry():
			r.Problems = append(r.Problems,
				Problem{s.name, fmt.Sprintf("not the file that the last run left: %d rows, %d when it finished",
					len(s.rows), entry.Rows), fixFinish})
		default: // an unfinished run may leave rows twice or with an old label
			if what := m.conflict(s.rows, seen); what != "" {
				r.Problems = append(r.Problems, Problem{s.name, what, fixFinish})
			}
		}
	}
	for _, s := range f.index.Shards {
		if _, missing := listed[s.Name]; missing {
			r.Problems = append(r.Problems, Problem{s.Name, fmt.Sprintf("missing, with %d rows", s.Rows), fixFinish})
		}
	}
	if parts := f.lackingParts(); parts != "" {
		r.Notes = append(r.Notes, parts)
	}
	if unfinished > 0 || f.index.FormatVersion == 0 && f.planned == 0 {
		r.Notes = append(r.Notes,
			fmt.Sprintf("the last extract has not finished (%d files are not in %s yet): its rows count, but run it "+
				"again for the rest", unfinished, indexFile))
	}
	return r
}

// rowKey identifies a row; a finished store has it once.
type rowKey struct {
	split, path string
	view        int32
}

// conflict returns a fault among the rows that a finished run can't have left, or "".
func (m Manifest) conflict(rows []record, seen map[rowKey]bool) string {
	class := map[string]int32{"": -1}
	for i, c := range m.Classes {
		class[c] = int32(i)
	}
	for i := range rows {
		rec := &rows[i]
		if want, known := class[rec.class]; !known || want != rec.label {
			return fmt.Sprintf("%s has label %d and class %q, which do not fit the manifest", rec.path, rec.label,
				rec.class)
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
