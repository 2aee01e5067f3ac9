package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// listed returns the rejected photos as the store lists them.
func (r run) listed(t *testing.T) string {
	t.Helper()
	info, err := ReadInfo(r.dir)
	must(t, err)
	if info.Rejected != len(info.RejectedPhotos) {
		t.Errorf("%d rejected, %d listed", info.Rejected, len(info.RejectedPhotos))
	}
	var all []string
	for _, x := range info.RejectedPhotos {
		all = append(all, x.Path+": "+x.Reason)
	}
	return strings.Join(all, ", ")
}

func TestRejectedPhotosAreNotReadAgain(t *testing.T) {
	const a, b = "train/ants/001.jpg", "val/bees/002.jpg"
	p := somePhotos(3)
	p[a], p[b] = "bad a", "bad b"
	r := newRun(t, p)
	first := r.mustDo(t)
	const both = a + ": it is bad a, " + b + ": it is bad b"
	if got := r.listed(t); got != both {
		t.Errorf("listed: %s", got)
	}
	for _, c := range []struct {
		name   string
		change func()
		tried  string
		lists  string
	}{
		{"nothing", func() {}, "", both},
		{"a new time", func() { must(t, os.Chtimes(filepath.Join(r.root, a), testTime, testTime)) }, "", both},
		{"another name", func() {
			p["val/bees/copy.jpg"] = p[b]
			delete(p, b)
		}, "", a + ": it is bad a, val/bees/copy.jpg: it is bad b"},
		{"another content", func() { p[a] = "bad c" }, a, a + ": it is bad c, val/bees/copy.jpg: it is bad b"},
		{"a retry", func() { r.options.RetryRejected = true }, a + " val/bees/copy.jpg",
			a + ": it is bad c, val/bees/copy.jpg: it is bad b"},
		{"no retry", func() { r.options.RetryRejected = false }, "",
			a + ": it is bad c, val/bees/copy.jpg: it is bad b"},
		{"a good content", func() { p[a] = "a photo" }, a, "val/bees/copy.jpg: it is bad b"},
		{"gone", func() { delete(p, "val/bees/copy.jpg") }, "", ""},
	} {
		c.change()
		p.write(t, r.root)
		o := r.mustDo(t)
		r.check(t, p)
		if got := strings.Join(o.tried, " "); got != c.tried {
			t.Errorf("%s: tried %q, want %q", c.name, got, c.tried)
		}
		if got := r.listed(t); got != c.lists {
			t.Errorf("%s: listed %q, want %q", c.name, got, c.lists)
		}
		if c.name == "nothing" && !slices.Equal(o.rejected, first.rejected) {
			t.Errorf("rejected %v, then %v", first.rejected, o.rejected)
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, rejectedFile)); !os.IsNotExist(err) {
		t.Errorf("a log of no photo: %v", err)
	}
}

// What was not the content's fault is listed, and tried again.
func TestRejectionsWithoutContentAreTriedAgain(t *testing.T) {
	const name = "train/ants/001.jpg"
	p := somePhotos(2)
	r := newRun(t, p)
	must(t, os.Remove(filepath.Join(r.root, name)))
	must(t, os.Mkdir(filepath.Join(r.root, name), 0o755)) // read instead of the photo
	entries := r.entries(t)
	w, err := OpenForWriting(t.Context(), r.dir, r.manifest, r.options)
	must(t, err)
	w.Reject(Rejected{Path: entries[0].Rel, Reason: "a timeout"})
	w.Close()
	if got := r.listed(t); got != entries[0].Rel+": a timeout" {
		t.Errorf("listed %s", got)
	}
	if o := r.mustDo(t); len(o.tried) != len(entries) || r.listed(t) != "" {
		t.Errorf("tried %v, then listed %s", o.tried, r.listed(t))
	}
}

// A killed run has recorded what it rejected.
func TestRejectionsOfAnUnfinishedRun(t *testing.T) {
	p := somePhotos(3)
	p["train/ants/000.jpg"] = "bad"
	r := newRun(t, p)
	r.stop = func(k int) bool { return k == 1 }
	r.mustDo(t)
	r.stop = nil
	if o := r.mustDo(t); slices.Contains(o.tried, "train/ants/000.jpg") || len(o.rejected) != 1 {
		t.Errorf("tried %v, rejected %v", o.tried, o.rejected)
	}
	r.check(t, p)
}

func TestShardsRecordTheirRejections(t *testing.T) {
	p := somePhotos(6)
	for i := range 6 {
		p[fmt.Sprintf("train/ants/00%d.jpg", i)] = fmt.Sprint("bad ", i)
	}
	r := newRun(t, p)
	r.doShards(t, 3)
	logs, err := filepath.Glob(filepath.Join(r.dir, rejectedFile+"-*-of-3"))
	if err != nil || len(logs) < 2 {
		t.Errorf("logs %v, %v", logs, err)
	}
	want := r.listed(t)
	if strings.Count(want, "it is bad") != 6 {
		t.Errorf("listed %s", want)
	}
	for i, o := range r.doShards(t, 3) {
		if len(o.tried) > 0 {
			t.Errorf("shard %d tried %v", i, o.tried)
		}
	}
	if o := r.mustDo(t); len(o.tried) > 0 || len(o.rejected) != 6 || r.listed(t) != want {
		t.Errorf("the whole job: tried %v, rejected %v, listed %s", o.tried, o.rejected, r.listed(t))
	}
	if logs, _ := filepath.Glob(filepath.Join(r.dir, rejectedFile+"-*")); len(logs) > 0 {
		t.Errorf("the whole job left %v", logs)
	}
}

func TestDamagedRejectionsAreAMiss(t *testing.T) {
	dir := t.TempDir()
	x, err := openRejections(dir, Shard{})
	must(t, err)
	e1, s1 := statOf("one \" \".jpg", testTime)
	e2, s2 := statOf("two.jpg", testTime.Add(time.Second))
	x.now = []Rejected{{e1.Rel, `"no" "photo"`, s1.content}, {e2.Rel, "no\nphoto", s2.content}}
	must(t, x.flush())
	path := filepath.Join(dir, rejectedFile)
	good, err := os.ReadFile(path)
	must(t, err)
	second := strings.IndexByte(string(good), '\n') + 1
	for i := range len(good) + 1 {
		bad := string(good[:i])
		if i < len(good) && i%2 == 0 {
			bad += string(good[i]^4) + string(good[i+1:])
		}
		must(t, os.WriteFile(path, []byte(bad), 0o644))
		again, err := openRejections(dir, Shard{})
		must(t, err)
		for k, e := range []*Entry{&e1, &e2} {
			r, ok := again.lookup(e)
			if ok && (r.Reason != x.now[k].Reason || r.Path != e.Rel) {
				t.Fatalf("byte %d: %+v", i, r)
			} else if k == 0 && i >= second && !ok {
				t.Fatalf("byte %d: the line before is lost", i)
			} else if i == len(good) && !ok {
				t.Fatalf("%s is not known", e.Rel)
			}
		}
	}
}
