package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"fx/internal/dataset"
	"fx/internal/progress"
)

// filled makes a store of n photos with values numbers each, without the
// photos: their entries and an entry in the statcache.
func filled(t testing.TB, n, values int) (string, Manifest, []Entry) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	m := testManifest()
	m.FeatureShape = []int{values}
	entries := make([]Entry, n)
	contents := make([]Content, n)
	for i := range entries {
		rel := fmt.Sprintf("train/ants/%08d.jpg", i)
		contents[i] = Content{SHA256: sha256.Sum256([]byte(rel)), Size: 1000, ModTime: testTime, Inode: uint64(i)}
		entries[i] = Entry{Item: dataset.Item{Path: "/none/" + rel, Rel: rel, Split: "train", Class: "ants",
			Size: 1000, ModTime: testTime, Inode: uint64(i)}}
	}
	ctx := context.Background()
	w, err := OpenForWriting(ctx, dir, m, WriteOptions{})
	must(t, err)
	defer w.Close()
	plan, err := w.Plan(ctx, entries)
	must(t, err)
	embedding := make([]float32, values)
	for _, c := range plan.Chunks {
		var rows []Computed
		for _, j := range c.Jobs {
			rows = append(rows, Computed{Entry: j.Entry, Content: contents[j.Entry], Embedding: embedding})
		}
		must(t, w.WriteChunk(c, rows))
	}
	_, err = w.Finish(ctx)
	must(t, err)
	return dir, m, entries
}

// secondRun is everything of this package in a run that finds all rows cached.
func secondRun(t testing.TB, dir string, m Manifest, entries []Entry) {
	t.Helper()
	ctx := context.Background()
	w, err := OpenForWriting(ctx, dir, m, WriteOptions{})
	must(t, err)
	defer w.Close()
	plan, err := w.Plan(ctx, entries)
	must(t, err)
	if plan.CachedPhotos != len(entries) {
		t.Fatalf("%d of %d cached", plan.CachedPhotos, len(entries))
	}
	_, err = w.Finish(ctx)
	must(t, err)
}

func BenchmarkSecondRun10000(b *testing.B) {
	dir, m, entries := filled(b, 10000, 512)
	for b.Loop() {
		secondRun(b, dir, m, entries)
	}
}

func BenchmarkOpen10000(b *testing.B) {
	dir, _, _ := filled(b, 10000, 512)
	for b.Loop() {
		s, err := Open(context.Background(), dir, progress.Discard)
		must(b, err)
		must(b, s.Close())
	}
}

func BenchmarkVerify(b *testing.B) {
	dir, _, _ := filled(b, 1000, 86528) // 346 MB of squeezenet's maps
	report, err := Verify(context.Background(), dir, progress.Discard)
	must(b, err)
	b.SetBytes(report.Bytes)
	for b.Loop() {
		_, err := Verify(context.Background(), dir, progress.Discard)
		must(b, err)
	}
}

func BenchmarkWriteChunk(b *testing.B) {
	l := Manifest{DType: Float32, FeatureShape: []int{512, 13, 13}}.layout()
	rows := make([]record, 48)
	for i := range rows {
		rows[i] = record{path: fmt.Sprint(i), sha: SHA256{byte(i)}}
	}
	values := make([]byte, len(rows)*l.rowBytes)
	dir := b.TempDir()
	b.SetBytes(int64(len(values)))
	for b.Loop() {
		must(b, writeShard(dir, "shard-00000.arrow", l, rows, values, new(bytes.Buffer)))
	}
}

// TestMemoryDoesNotGrowWithTheEmbeddings opens 64 MB and exports them.
func TestMemoryDoesNotGrowWithTheEmbeddings(t *testing.T) {
	dir, _, _ := filled(t, 128, 1<<17)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	s, err := Open(context.Background(), dir, progress.Discard)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	var sum float32
	for i := range s.Rows() {
		sum += s.Embedding(i, nil)[i]
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 || sum != 0 {
		t.Errorf("reading 64 MB keeps %d bytes", grown)
	}
	for _, format := range []string{"npy", "safetensors", "parquet"} {
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		out := filepath.Join(t.TempDir(), format)
		_, err := s.Export(context.Background(), format, out, ExportOptions{})
		must(t, err)
		runtime.ReadMemStats(&end)
		// Parquet holds one row group of 16 MiB at a time, several times over.
		if most := map[string]uint64{"npy": 8, "safetensors": 8,
			"parquet": 400}[format] << 20; end.TotalAlloc-start.TotalAlloc > most {
			t.Errorf("%s allocates %d bytes for 64 MB", format, end.TotalAlloc-start.TotalAlloc)
		}
	}
}

// TestPlanAtOnceAfterStatOnly: a second run neither opens nor reads a photo
// (they do not exist here), and a fresh store needs no hash either.
func TestPlanAtOnceAfterStatOnly(t *testing.T) {
	dir, m, entries := filled(t, 300, 8)
	start := time.Now()
	secondRun(t, dir, m, entries)
	t.Logf("300 photos: %s", time.Since(start))
	must(t, os.Remove(filepath.Join(dir, statCacheFile)))
	w, err := OpenForWriting(context.Background(), dir, m, WriteOptions{})
	must(t, err)
	defer w.Close()
	plan, err := w.Plan(context.Background(), entries)
	must(t, err)
	if plan.CachedPhotos != 0 || plan.MissingRows != 300 { // nothing could be read to be recognised
		t.Errorf("%+v", plan)
	}
}
