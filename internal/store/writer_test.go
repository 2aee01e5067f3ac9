package store

import (
	"context"
	"crypto/sha256"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/preprocess"
	"fx/internal/progress"
)

func TestFirstRunAndSecondRun(t *testing.T) {
	p := somePhotos(5)
	r := newRun(t, p)
	o := r.mustDo(t)
	if len(o.computed) != 20 || o.plan.MissingRows != 20 || o.summary.Added != 20 || o.summary.Files != 5 ||
		o.summary.Rows != 20 {
		t.Errorf("first run: %+v %+v", o.plan, o.summary)
	}
	r.check(t, p)
	before := files(t, r.dir)
	o = r.mustDo(t)
	if len(o.computed) != 0 || o.plan.CachedPhotos != 20 || len(o.plan.Chunks) != 0 ||
		o.summary != (Summary{Rows: 20}) {
		t.Errorf("second run: %+v %+v", o.plan, o.summary)
	}
	same(t, "second run", files(t, r.dir), before)
}

// TestOnlyWhatChangedIsComputed goes through the changes that people make, one
// after the other, on one store. Each must end in exactly the rows of a fresh extract.
func TestOnlyWhatChangedIsComputed(t *testing.T) {
	p := somePhotos(5)
	r := newRun(t, p)
	r.mustDo(t)
	for _, c := range []struct {
		name     string
		change   func()
		computed string
		want     Summary // Rows and Files aside
	}{
		{"touched only", func() {
			must(t, os.Chtimes(filepath.Join(r.root, "train/ants/001.jpg"), testTime, testTime))
		}, "", Summary{}},
		{"changed", func() {
			p["train/ants/001.jpg"] = "another photo"
		}, "train/ants/001.jpg@0", Summary{Added: 1, Dropped: 1, Rewritten: 1}},
		{"renamed", func() {
			p["train/ants/zzz.jpg"] = p["train/ants/000.jpg"]
			delete(p, "train/ants/000.jpg")
		}, "", Summary{Copied: 1, Dropped: 1, Rewritten: 1}},
		{"moved to another class", func() {
			p["train/bees/moved.jpg"] = p["train/ants/002.jpg"]
			delete(p, "train/ants/002.jpg")
		}, "", Summary{Copied: 1, Dropped: 1, Rewritten: 1}},
		{"copied to another split", func() {
			p["val/bees/copy.jpg"] = p["train/bees/000.jpg"]
		}, "", Summary{Copied: 1}},
		{"removed", func() { delete(p, "val/ants/004.jpg") }, "", Summary{Dropped: 1, Rewritten: 1}},
		{"added", func() { p["val/ants/0.jpg"] = "a new photo" }, "val/ants/0.jpg@0", Summary{Added: 1}},
		{"turned bad", func() { p["val/ants/000.jpg"] = "bad" }, "", Summary{Dropped: 1, Rewritten: 1}},
		{"still bad", func() {}, "", Summary{}},
		{"good again", func() { p["val/ants/000.jpg"] = "photo val/ants 0" }, "val/ants/000.jpg@0", Summary{Added: 1}},
		{"two views", func() { r.views = 2 }, "44 views", Summary{}},
		{"one view", func() { r.views = 1 }, "", Summary{Dropped: 11, Rewritten: 1}},
		{"no views", func() { r.views = 0 }, "", Summary{}},
		{"a third class, whose name comes first", func() {
			r.manifest.Classes = []string{"aphids", "ants", "bees"}
			slices.Sort(r.manifest.Classes)
			p["train/aphids/1.jpg"], p["val/aphids/2.jpg"] = "aphid 1", "aphid 2"
		}, "train/aphids/1.jpg@0 val/aphids/2.jpg@0", Summary{}},
	} {
		c.change()
		p.write(t, r.root)
		o := r.mustDo(t)
		r.check(t, p)
		slices.Sort(o.computed)
		got := strings.Join(o.computed, " ")
		if c.computed == "44 views" { // 11 train photos of each class
			if !strings.Contains(got, "@2") || strings.Contains(got, "@0") || strings.Contains(got, "val/") {
				t.Errorf("%s: computed %s", c.name, got)
			}
		} else if got != c.computed {
			t.Errorf("%s: computed %q, want %q", c.name, got, c.computed)
		}
		s := o.summary
		s.Rows, s.Files = 0, 0
		if c.want != (Summary{}) && c.name != "one view" && s != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, s, c.want)
		}
		if strings.HasPrefix(c.name, "a third") && (s.Relabeled == 0 || s.Added != 2) {
			t.Errorf("%s: %+v", c.name, s)
		}
		before := files(t, r.dir)
		if again := r.mustDo(t); len(again.computed) > 0 ||
			again.summary.Rewritten+again.summary.Files+again.summary.Removed > 0 {
			t.Errorf("%s: the next run did %+v", c.name, again.summary)
		}
		same(t, c.name+", again", files(t, r.dir), before)
	}
}

func TestRejectedPhotosLeaveNoRow(t *testing.T) {
	p := somePhotos(5)
	for _, bad := range []string{"train/ants/000.jpg", "train/ants/001.jpg", "train/ants/002.jpg",
		"train/ants/003.jpg", "val/bees/004.jpg"} {
		p[bad] = "bad " + bad
	}
	r := newRun(t, p)
	o := r.mustDo(t)
	if len(o.rejected) != 5 || o.summary.Files != 4 { // the first chunk is all bad
		t.Errorf("rejected %v, %+v", o.rejected, o.summary)
	}
	r.check(t, p)
	if again := r.mustDo(t); len(again.rejected) != 5 || again.summary.Files != 0 {
		t.Errorf("again: rejected %v, %+v", again.rejected, again.summary)
	}
}

func TestFloat16(t *testing.T) {
	p := somePhotos(2)
	r := newRun(t, p)
	r.manifest.DType = Float16
	r.mustDo(t)
	r.check(t, p)
	must(t, os.Rename(filepath.Join(r.root, "train/ants/000.jpg"), filepath.Join(r.root, "train/ants/9.jpg")))
	p["train/ants/9.jpg"] = p["train/ants/000.jpg"]
	delete(p, "train/ants/000.jpg")
	if o := r.mustDo(t); o.summary.Copied != 1 {
		t.Errorf("%+v", o.summary)
	}
	r.check(t, p)
}

// TestResumeEndsInTheSameBytes stops a run before each chunk in turn, for a first
// run and for one that changes a store, and compares with one that was not disturbed.
func TestResumeEndsInTheSameBytes(t *testing.T) {
	p := somePhotos(6)
	p["train/ants/002.jpg"] = "bad"
	p["train/bees/twin.jpg"] = p["train/ants/000.jpg"] // computed, not copied, also when resumed
	changed := maps.Clone(p)
	changed["train/ants/003.jpg"] = "changed"
	changed["train/bees/a.jpg"] = p["train/ants/004.jpg"]
	delete(changed, "train/ants/004.jpg")
	changed["val/bees/new.jpg"] = "new"
	changed["val/ants/new.jpg"] = "bad new"

	whole := newRun(t, p)
	first := whole.mustDo(t)
	want := files(t, whole.dir)
	changed.write(t, whole.root)
	whole.views = 1
	second := whole.mustDo(t)
	whole.check(t, changed)
	wantChanged := files(t, whole.dir)

	for stop := range max(len(first.plan.Chunks), len(second.plan.Chunks)) + 1 {
		r := newRun(t, p)
		r.stop = func(k int) bool { return k == stop }
		r.mustDo(t)
		must(t, os.WriteFile(filepath.Join(r.dir, "shard-00099.arrow.fx-tmp-1"), []byte("half"), 0o644))
		must(t, os.WriteFile(filepath.Join(r.dir, "index.json.fx-tmp-1"), []byte("half"), 0o644))
		if stop%2 == 1 {
			must(t, os.Remove(filepath.Join(r.dir, statCacheFile))) // a cache, never needed
		}
		r.stop = nil
		o := r.mustDo(t)
		same(t, "first run", files(t, r.dir), want)
		left := 0 // what the chunks that were not written hold, no more and no less
		for k := stop; k < len(first.plan.Chunks); k++ {
			left += len(first.plan.Chunks[k].Jobs)
		}
		if all := strings.Join(first.computed, " "); len(o.computed) > left || len(o.computed) < left-1 ||
			!strings.HasSuffix(all, strings.Join(o.computed, " ")) {
			t.Errorf("stop %d: computed %d again: %v", stop, len(o.computed), o.computed)
		}
		changed.write(t, r.root)
		r.views = 1
		r.stop = func(k int) bool { return k == stop }
		r.mustDo(t)
		r.stop = nil
		r.mustDo(t)
		same(t, "changing run", files(t, r.dir), wantChanged)
	}
}

// TestReadersOfAnUnfinishedRunSeeTheNewRow: a changed photo has two rows until
// Finish drops the old one; which counts does not hang on the names of the files.
func TestReadersOfAnUnfinishedRunSeeTheNewRow(t *testing.T) {
	p := somePhotos(5)
	r := newRun(t, p)
	r.mustDo(t)
	for _, n := range []string{"0", "1", "2", "3"} { // the first file loses all rows and is removed
		delete(p, "train/ants/00"+n+".jpg")
	}
	p.write(t, r.root)
	r.mustDo(t)
	p["train/bees/000.jpg"], p["val/bees/004.jpg"] = "changed", "changed too" // to files before and behind the old rows
	p.write(t, r.root)
	r.stop = func(k int) bool { return k == 2 }
	if o := r.mustDo(t); len(o.plan.Chunks) != 2 {
		t.Fatalf("%d chunks", len(o.plan.Chunks))
	}
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	if len(s.Rows()) != 16 || s.Finished() {
		t.Errorf("%d rows, finished %v", len(s.Rows()), s.Finished())
	}
	for _, row := range s.Rows() {
		if row.SHA256 != sha256.Sum256([]byte(p[row.Path])) {
			t.Errorf("%s: the old row", row.Path)
		}
	}
}

func TestDamagedAndMissingShardsAreComputedAgain(t *testing.T) {
	p := somePhotos(5)
	r := newRun(t, p)
	r.mustDo(t)
	want := files(t, r.dir)
	for _, damage := range []func(path string) error{
		os.Remove,
		func(path string) error { return os.Truncate(path, 1000) },
		func(path string) error { return os.Truncate(path, 0) },
		func(path string) error { return os.WriteFile(path, []byte("no shard"), 0o644) },
	} {
		must(t, damage(filepath.Join(r.dir, "shard-00002.arrow")))
		n := &notes{}
		r.options.Progress = n
		if o := r.mustDo(t); len(o.computed) != 4 {
			t.Errorf("computed %v", o.computed)
		}
		if _, missing := os.Stat(filepath.Join(r.dir, "shard-00002.arrow")); missing != nil {
			t.Error(missing)
		}
		if len(n.lines) > 0 && !strings.Contains(n.lines[0], "shard-00002.arrow is damaged") {
			t.Errorf("notes %q", n.lines)
		}
		same(t, "healed", files(t, r.dir), want)
	}
}

func TestRowsThatAreThereTwiceAreDropped(t *testing.T) {
	p := somePhotos(4)
	r := newRun(t, p)
	r.mustDo(t)
	want := files(t, r.dir)
	must(t, os.WriteFile(filepath.Join(r.dir, "shard-00009.arrow"), []byte(want["shard-00002.arrow"]), 0o644))
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	if len(s.Rows()) != 16 {
		t.Errorf("a reader sees %d rows", len(s.Rows()))
	}
	must(t, s.Close())
	if o := r.mustDo(t); o.summary.Dropped != 4 || o.summary.Removed != 1 {
		t.Errorf("%+v", o.summary)
	}
	same(t, "without the double", files(t, r.dir), want)
}

// TestSeedOfRandomViews: random views of another seed never pass for those of
// this one, also where the run that was to drop them did not finish.
func TestSeedOfRandomViews(t *testing.T) {
	p := somePhotos(2)
	r := newRun(t, p)
	r.views = 2
	r.mustDo(t)
	r.manifest.Seed = 1
	refused := func(when string) {
		t.Helper()
		if _, err := r.do(t); fail.KindOf(err) != fail.Usage ||
			!strings.Contains(err.Error(), "seed of the random views: 0 in the store, 1 now") {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("at once")
	r.views = 0
	r.stop = func(k int) bool { return true }
	r.mustDo(t)
	r.views, r.stop = 2, nil
	refused("after a run without views that did not finish")
	r.views = 0
	if o := r.mustDo(t); o.summary.Dropped != 8 || len(o.computed) != 0 {
		t.Errorf("%+v", o.summary)
	}
	r.views = 2
	if o := r.mustDo(t); len(o.computed) != 8 {
		t.Errorf("computed %v", o.computed)
	}
	r.check(t, p)
}

func TestManifestThatDiffersIsRefusedByName(t *testing.T) {
	p := somePhotos(2)
	r := newRun(t, p)
	r.mustDo(t)
	before := files(t, r.dir)
	r.manifest.Weights, r.manifest.WeightsSHA256 = "seed:0", strings.Repeat("cc", 32)
	r.manifest.Preprocess.Crop, r.manifest.Preprocess.Mode = 200, preprocess.Squash
	_, err := r.do(t)
	if fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
		t.Fatalf("error %v of kind %d", err, fail.KindOf(err))
	}
	for _, word := range []string{"weights: toy-0123.pth (sha256 b2b2b2b2b2b2) in the store, seed:0 (sha256 " +
		"cccccccccccc) now", "crop: 224 in the store, 200 now",
		"preprocessing mode: crop in the store, squash now"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
	same(t, "refused", files(t, r.dir), before)
}

func TestForeignFolderIsRefused(t *testing.T) {
	r := newRun(t, somePhotos(1))
	r.dir = r.root
	if _, err := r.do(t); fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "holds train") {
		t.Errorf("error %v", err)
	}
	r = newRun(t, somePhotos(1))
	r.mustDo(t)
	must(t, os.Remove(filepath.Join(r.dir, manifestFile)))
	if _, err := r.do(t); fail.KindOf(err) != fail.Store || !strings.Contains(err.Error(), "no manifest.json") {
		t.Errorf("shards without a manifest: %v", err)
	}
	other := newRun(t, somePhotos(1))
	other.manifest.WeightsSHA256 = strings.Repeat("00", 32)
	other.mustDo(t)
	r = newRun(t, somePhotos(1))
	r.mustDo(t)
	must(t, os.Rename(filepath.Join(other.dir, "shard-00000.arrow"), filepath.Join(r.dir, "shard-00007.arrow")))
	if _, err := r.do(t); fail.KindOf(err) != fail.Store || !strings.Contains(err.Error(), "another store") {
		t.Errorf("a shard of another store: %v", err)
	}
}

func TestNonFiniteEmbeddingsAreRefused(t *testing.T) {
	for _, c := range []struct {
		dtype DType
		value float32
		word  string
	}{{Float32, nan(), "NaN"}, {Float16, 70000, "above float16's 65504"}, {Float16, 65504, ""}} {
		r := newRun(t, somePhotos(1))
		r.manifest.DType = c.dtype
		r.embed = func(sha SHA256, view int) []float32 {
			e := embed(sha, view, 6)
			e[4] = c.value
			return e
		}
		_, err := r.do(t)
		if c.word == "" {
			must(t, err)
		} else if fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), c.word) ||
			!strings.Contains(err.Error(), "train/ants/000.jpg") {
			t.Errorf("%v of %s: error %v", c.value, c.dtype, err)
		}
	}
}

func TestWrongUseIsAnError(t *testing.T) {
	ctx := context.Background()
	r := newRun(t, somePhotos(2))
	w, err := OpenForWriting(ctx, r.dir, r.manifest, r.options)
	must(t, err)
	defer w.Close()
	entries := r.entries(t)
	if _, err := w.Finish(ctx); err == nil {
		t.Error("Finish before Plan")
	}
	twice := append(slices.Clone(entries), entries[0])
	if _, err := w.Plan(ctx, twice); err == nil {
		t.Error("a photo twice")
	}
	wrong := slices.Clone(entries)
	wrong[0].Label = 1
	if _, err := w.Plan(ctx, wrong); err == nil {
		t.Error("a label that is not the class")
	}
	plan, err := w.Plan(ctx, entries)
	must(t, err)
	if err := w.WriteChunk(plan.Chunks[1], nil); err == nil {
		t.Error("chunks out of order")
	}
	good := Computed{Entry: 0, Content: Content{SHA256: SHA256{1}}, Embedding: make([]float32, 6)}
	short := good
	short.Embedding = short.Embedding[1:]
	stranger := good
	stranger.Entry = 7
	for name, rows := range map[string][]Computed{"twice": {good, good}, "short": {short},
		"of another chunk": {stranger}, "without hash": {{Embedding: good.Embedding}}} {
		if err := w.WriteChunk(plan.Chunks[0], rows); err == nil {
			t.Errorf("a row %s", name)
		}
	}
	if _, err := w.Finish(ctx); err == nil {
		t.Error("Finish before the chunks")
	}
	if got := files(t, r.dir); len(got) != 1 {
		t.Errorf("files %v", slices.Sorted(maps.Keys(got)))
	}
}
