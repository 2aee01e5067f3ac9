package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fx/internal/dataset"
	"fx/internal/float16"
	"fx/internal/preprocess"
	"fx/internal/progress"
	"fx/internal/random"
)

// photos is a data folder for tests: path → content. A content that begins
// with "bad" cannot be decoded.
type photos map[string]string

// somePhotos makes n photos per class in train and val of ants and bees.
func somePhotos(n int) photos {
	p := photos{}
	for _, folder := range []string{"train/ants", "train/bees", "val/ants", "val/bees"} {
		for i := range n {
			p[fmt.Sprintf("%s/%03d.jpg", folder, i)] = fmt.Sprintf("photo %s %d", folder, i)
		}
	}
	return p
}

// write brings the folder root to the content of p. Files are dated a day back,
// so that the statcache trusts them; an unchanged file is not touched.
func (p photos) write(t testing.TB, root string) {
	t.Helper()
	_ = filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		if _, keep := p[filepath.ToSlash(rel)]; err == nil && !e.IsDir() && !keep {
			return os.Remove(path)
		}
		return nil
	})
	for rel, content := range p {
		path := filepath.Join(root, rel)
		if old, err := os.ReadFile(path); err == nil && string(old) == content {
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
		old := time.Now().Add(-24 * time.Hour)
		must(t, os.Chtimes(path, old, old))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testManifest() Manifest {
	return Manifest{
		Backbone: "toy", GraphSHA256: strings.Repeat("a1",
			32), Weights: "toy-0123.pth", WeightsSHA256: strings.Repeat("b2", 32),
		Preprocess: preprocess.ImageNet(224, 224), EXIF: "ignore", Decoder: "test", Compute: Compute{Provider: "cpu",
			Precision: Float32},
		DType: Float32, FeatureShape: []int{2, 3}, Classes: []string{"ants", "bees"},
		Made: Provenance{FX: "test", ProviderOptions: map[string]string{"b": "2", "a": "1"}},
	}
}

// embed is the network of the tests: a function of content and view alone, as fx's is.
func embed(sha SHA256, view, values int) []float32 {
	s := random.New(uint64(view), sha.String())
	e := make([]float32, values)
	for i := range e {
		e[i] = float32(s.Normal())
	}
	return e
}

// run is one extract.
type run struct {
	root, dir string
	manifest  Manifest
	options   WriteOptions
	views     int                         // random views of train photos
	stop      func(chunk int) bool        // ends the run before a chunk is written
	embed     func(SHA256, int) []float32 // nil is embed
}

// outcome is what a run did.
type outcome struct {
	plan     *Plan
	summary  Summary
	computed []string // path@view
	rejected []string
	tried    []string // photos that were read to be decoded
}

func (r run) entries(t testing.TB) []Entry {
	t.Helper()
	d, err := dataset.Scan(context.Background(), r.root, dataset.Options{})
	must(t, err)
	entries := make([]Entry, len(d.Items))
	for i, item := range d.Items {
		entries[i] = Entry{Item: item}
		if item.Split == "train" {
			entries[i].Views = r.views
		}
	}
	return entries
}

// do extracts as the extract room does, on one thread.
func (r run) do(t testing.TB) (outcome, error) {
	t.Helper()
	ctx := context.Background()
	m := r.manifest
	m.Views = r.views
	entries := r.entries(t)
	w, err := OpenForWriting(ctx, r.dir, m, r.options)
	if err != nil {
		return outcome{}, err
	}
	defer w.Close()
	var o outcome
	if o.plan, err = w.Plan(ctx, entries); err != nil {
		return o, err
	}
	for _, known := range o.plan.Rejected {
		o.rejected = append(o.rejected, entries[known.Entry].Rel)
	}
	for k, c := range o.plan.Chunks {
		rows := r.compute(c, entries, &o, w.Reject)
		slices.Reverse(rows) // any order will do
		if r.stop != nil && r.stop(k) {
			return o, nil
		}
		if err := w.WriteChunk(c, rows); err != nil {
			return o, err
		}
	}
	if r.stop != nil && r.stop(len(o.plan.Chunks)) {
		return o, nil
	}
	o.summary, err = w.Finish(ctx)
	return o, err
}

// compute computes the rows of a chunk.
func (r run) compute(c Chunk, entries []Entry, o *outcome, reject func(...Rejected)) (rows []Computed) {
	for _, j := range c.Jobs {
		rel := entries[j.Entry].Rel
		o.tried = append(o.tried, rel)
		data, content, err := Load(context.Background(), entries[j.Entry].Source())
		if err != nil || strings.HasPrefix(string(data), "bad") {
			o.rejected = append(o.rejected, rel)
			reject(entries[j.Entry].Rejected("it is "+string(data), content))
			continue
		}
		for _, v := range j.Views {
			e := embed(content.SHA256, v, r.manifest.Values())
			if r.embed != nil {
				e = r.embed(content.SHA256, v)
			}
			rows = append(rows, Computed{j.Entry, v, content, e})
			o.computed = append(o.computed, fmt.Sprintf("%s@%d", rel, v))
		}
	}
	return rows
}

func (r run) mustDo(t testing.TB) outcome {
	t.Helper()
	o, err := r.do(t)
	must(t, err)
	return o
}

// newRun is a run over p in fresh folders, four rows a file.
func newRun(t testing.TB, p photos) run {
	t.Helper()
	r := run{root: t.TempDir(), dir: filepath.Join(t.TempDir(), "store"), manifest: testManifest(),
		options: WriteOptions{RowsPerShard: 4}}
	p.write(t, r.root)
	return r
}

// files returns the bytes of what a store promises to be equal: all but locks, and
// what is remembered of files by their times.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := map[string]string{}
	for _, e := range entries {
		if name := e.Name(); !strings.HasSuffix(name, "lock") && !strings.HasPrefix(name, statCacheFile) &&
			!strings.HasPrefix(name, checkedFile) && !strings.HasPrefix(name, rejectedFile) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			all[name] = string(text)
		}
	}
	return all
}

// same compares two results of files.
func same(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	if a, b := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(a, b) {
		t.Fatalf("%s: files %v, want %v", what, a, b)
	}
	for name := range want {
		if got[name] != want[name] {
			t.Fatalf("%s: %s differs:\n%.600s\nwant\n%.600s", what, name, got[name], want[name])
		}
	}
}

// check opens the store and demands exactly the rows that p asks for.
func (r run) check(t testing.TB, p photos) {
	t.Helper()
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	i := 0
	for _, e := range r.entries(t) {
		if strings.HasPrefix(p[e.Rel], "bad") {
			continue
		}
		for v := range e.Views + 1 {
			if i == len(s.Rows()) {
				t.Fatalf("only %d rows", i)
			}
			row := s.Rows()[i]
			want := Row{Path: e.Rel, SHA256: sha256.Sum256([]byte(p[e.Rel])), Split: e.Split, Class: e.Class,
				Label: e.Label, View: v, file: row.file, row: row.row}
			if row != want {
				t.Fatalf("row %d is %+v, want %+v", i, row, want)
			}
			got, expected := s.Embedding(i, nil), embed(want.SHA256, v, r.manifest.Values())
			for k := range expected {
				if w := expected[k]; r.manifest.DType == Float16 {
					expected[k] = float16.Float32(float16.Bits(w))
				}
			}
			if !slices.Equal(got, expected) {
				t.Fatalf("row %d (%s view %d): embedding %v, want %v", i, row.Path, v, got, expected)
			}
			i++
		}
	}
	if i != len(s.Rows()) {
		t.Fatalf("%d rows, want %d: the first too many is %+v", len(s.Rows()), i, s.Rows()[i])
	}
	if !s.Finished() {
		t.Fatal("not finished")
	}
	report, err := Verify(context.Background(), r.dir, progress.Discard)
	if err != nil || len(report.Notes) > 0 || report.Rows != i {
		t.Fatalf("verify: %v, %+v", err, report)
	}
}

// notes collects what is told to the user.
type notes struct{ lines []string }

func (n *notes) Begin(string, int64, string) progress.Task { return progress.Discard.Begin("", 0, "") }
func (n *notes) Note(line string)                          { n.lines = append(n.lines, line) }

func nan() float32 { return float32(math.NaN()) }

var testTime = time.Date(2020, 1, 2, 3, 4, 5, 678, time.UTC)
