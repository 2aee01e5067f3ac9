package store

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fx/internal/progress"
)

// doShards extracts in n processes at once.
func (r run) doShards(t *testing.T, n int) []outcome {
	t.Helper()
	all := make([]outcome, n)
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			part := r
			part.options.Shard = Shard{i, n}
			all[i], errs[i] = part.do(t)
		})
	}
	group.Wait()
	for _, err := range errs {
		must(t, err)
	}
	return all
}

func computed(all []outcome) (n int) {
	for _, o := range all {
		n += len(o.computed)
	}
	return n
}

func TestShardsAtOnceMakeOneStore(t *testing.T) {
	p := somePhotos(8)
	p["val/ants/003.jpg"] = "bad"
	r := newRun(t, p)
	if got := computed(r.doShards(t, 3)); got != 31 {
		t.Errorf("computed %d", got)
	}
	r.check(t, p)
	before := files(t, r.dir)
	for name := range before {
		if strings.HasSuffix(name, ".arrow") && !strings.Contains(name, "-of-3-") {
			t.Errorf("file %s", name)
		}
	}

	// Again, and one after the other: the same bytes.
	if got := computed(r.doShards(t, 3)); got != 0 {
		t.Errorf("again: computed %d", got)
	}
	same(t, "again", files(t, r.dir), before)
	apart := newRun(t, p)
	for i := range 3 {
		apart.options.Shard = Shard{2 - i, 3}
		apart.mustDo(t)
	}
	same(t, "one after the other", files(t, apart.dir), before)

	// Changes: of content, names and classes, in all shards at once.
	changed := maps.Clone(p)
	changed["train/ants/000.jpg"] = "changed"
	for _, name := range []string{"1", "2", "3", "4", "5"} {
		changed["train/bees/moved"+name+".jpg"] = p["train/ants/00"+name+".jpg"]
		delete(changed, "train/ants/00"+name+".jpg")
	}
	changed["train/aphids/1.jpg"], changed["val/aphids/2.jpg"] = "aphid 1", "aphid 2"
	r.manifest.Classes = []string{"ants", "aphids", "bees"}
	changed.write(t, r.root)
	r.views = 1
	r.doShards(t, 3)
	r.check(t, changed)

	// Another number of shards sees the union, and so does the whole job.
	if got := computed(r.doShards(t, 2)); got != 0 {
		t.Errorf("two shards: computed %d", got)
	}
	r.check(t, changed)
	delete(changed, "val/aphids/2.jpg")
	delete(changed, "train/aphids/1.jpg")
	r.manifest.Classes = []string{"ants", "bees"}
	changed["val/bees/new.jpg"] = "new"
	changed.write(t, r.root)
	r.views = 0
	r.doShards(t, 2)
	r.check(t, changed)
	o := r.mustDo(t)
	if len(o.computed) != 0 {
		t.Errorf("whole: computed %v", o.computed)
	}
	r.check(t, changed)
	if m, err := ReadManifest(r.dir); err != nil || m.Views != 0 {
		t.Errorf("views %d, %v", m.Views, err)
	}
}

// TestShardsOfAWholeStore: rows of the whole job's files that are stale are
// dropped by the shard to which their path falls.
func TestShardsOfAWholeStore(t *testing.T) {
	p := somePhotos(4)
	r := newRun(t, p)
	r.mustDo(t)
	for _, rel := range slices.Sorted(maps.Keys(p))[:3] {
		delete(p, rel)
	}
	p["train/bees/000.jpg"] = "changed"
	p.write(t, r.root)
	if got := computed(r.doShards(t, 2)); got != 1 {
		t.Errorf("computed %d", got)
	}
	r.check(t, p)
}

func TestShardAtWorkIsNotFinished(t *testing.T) {
	p := somePhotos(8)
	r := newRun(t, p)
	r.options.Shard = Shard{1, 2}
	r.stop = func(k int) bool { return k == 2 }
	r.mustDo(t)
	r.options.Shard, r.stop = Shard{0, 2}, nil
	r.mustDo(t)
	finished := func() bool {
		s, err := Open(context.Background(), r.dir, progress.Discard)
		must(t, err)
		defer func() { must(t, s.Close()) }()
		return s.Finished()
	}
	if finished() {
		t.Error("finished while a shard is in the middle")
	}
	r.options.Shard = Shard{1, 2}
	r.mustDo(t)
	if !finished() {
		t.Error("not finished after the last shard")
	}
	r.check(t, p)
}

// TestReaderLooksAgain lets a run that moves a photo of every file pass between
// a reader's listing of the files and its opening them.
func TestReaderLooksAgain(t *testing.T) {
	p := somePhotos(4)
	r := newRun(t, p)
	r.mustDo(t)
	moved := photos{}
	for rel, content := range p {
		moved[strings.Replace(rel, "/001", "/moved", 1)] = content
	}
	defer func() { listed = func() {} }()
	listed = func() {
		listed = func() {}
		moved.write(t, r.root)
		r.mustDo(t)
	}
	s, err := Open(context.Background(), r.dir, progress.Discard)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	if len(s.Rows()) != 16 {
		t.Errorf("%d of 16 rows", len(s.Rows()))
	}
}

// TestReadersNeverSeeLess opens the store again and again while runs change it:
// photos that stay must be there in every look, whatever moves around them.
func TestReadersNeverSeeLess(t *testing.T) {
	p := somePhotos(6)
	r := newRun(t, p)
	r.mustDo(t)
	done := make(chan struct{})
	var group sync.WaitGroup
	looks := 0
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			s, err := Open(context.Background(), r.dir, progress.Discard)
			if err != nil {
				t.Error(err)
				return
			}
			have := map[string]bool{}
			for i := range s.Rows() {
				have[s.Rows()[i].SHA256.String()] = true
				s.Embedding(i, nil)
			}
			if len(have) < 24 {
				t.Errorf("only %d photos", len(have))
			}
			if s.Close() != nil || t.Failed() {
				return
			}
			looks++
		}
	})
	start := time.Now()
	for i := 0; time.Since(start) < time.Second && !t.Failed(); i++ {
		for k := range 4 { // a quarter of the photos changes its name in every run
			old := slices.Sorted(maps.Keys(p))[(i+6*k)%24]
			name := filepath.Dir(old) + "/" + strings.TrimLeft(filepath.Base(old), "m")
			if i%2 == 0 {
				name = filepath.Dir(old) + "/m" + filepath.Base(old)
			}
			content := p[old]
			delete(p, old)
			p[name] = content
			must(t, os.Rename(filepath.Join(r.root, old), filepath.Join(r.root, name)))
		}
		r.mustDo(t)
	}
	close(done)
	group.Wait()
	if looks < 5 {
		t.Errorf("only %d looks", looks)
	}
	r.check(t, p)
}
