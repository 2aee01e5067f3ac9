package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/progress"
	"fx/internal/random"
)

// parts plans parts of n photos.
func (r run) parts(t testing.TB, n int) (plan *Plan, parts [][]Entry) {
	t.Helper()
	m := r.manifest
	m.Views = r.views
	w, err := OpenForWriting(context.Background(), r.dir, m, r.options)
	must(t, err)
	defer w.Close()
	entries := r.entries(t)
	plan, missing, err := w.PlanParts(context.Background(), entries)
	must(t, err)
	var ids []string
	for some := range slices.Chunk(missing, n) {
		var part []Entry
		for _, i := range some {
			part = append(part, entries[i])
		}
		parts, ids = append(parts, part), append(ids, m.PartID(part))
	}
	must(t, w.NotePlanned(ids))
	return plan, parts
}

// part computes a part, and stops before it is written if stop says so.
func (r run) part(t testing.TB, entries []Entry) outcome {
	t.Helper()
	m := r.manifest
	m.Views = r.views
	var o outcome
	w, err := OpenPart(r.dir, m, slices.Clone(entries), progress.Discard)
	must(t, err)
	defer w.Close()
	o.plan = w.Plan()
	for k, c := range o.plan.Chunks {
		rows := r.compute(c, entries, &o, w.Reject)
		if r.stop != nil && r.stop(k) {
			return o
		}
		must(t, w.WriteChunk(c, rows))
	}
	o.summary, err = w.Finish(context.Background())
	must(t, err)
	return o
}

func (r run) allParts(t testing.TB, parts [][]Entry) (computed int) {
	t.Helper()
	for _, entries := range parts {
		computed += len(r.part(t, entries).computed)
	}
	return computed
}

// rowsOf returns what readers see: the rows by path, view and content.
func rowsOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	s, err := Open(context.Background(), dir, progress.Discard)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	rows := map[string]string{}
	for i, row := range s.Rows() {
		key := fmt.Sprintf("%s@%d", row.Path, row.View)
		if rows[key] != "" {
			t.Errorf("%s is there twice", key)
		}
		rows[key] = fmt.Sprint(row.SHA256, row.Label, row.Class, row.Split, s.Embedding(i, nil))
	}
	return rows
}

func partFiles(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "part-*"))
	must(t, err)
	return names
}

func TestPartsMakeTheStoreOfOneRun(t *testing.T) {
	p := somePhotos(6)
	p["val/ants/003.jpg"] = "bad"
	p["val/bees/twin.jpg"] = p["train/ants/001.jpg"]
	whole := newRun(t, p)
	whole.views = 1
	whole.mustDo(t)
	want := rowsOf(t, whole.dir)

	r := newRun(t, p)
	r.views = 1
	plan, parts := r.parts(t, 4)
	if plan.Photos != 25 || plan.MissingRows != 37 || len(parts) != 7 {
		t.Fatalf("%+v, %d parts", plan, len(parts))
	}
	info, err := ReadInfo(r.dir)
	if err != nil || info.Finished || info.Lacking != "7 of the 7 parts of the last plan are not done" {
		t.Errorf("before the parts: %+v, %v", info, err)
	}
	if got := r.allParts(t, parts); got != len(want) {
		t.Errorf("computed %d rows", got)
	}
	if got := rowsOf(t, r.dir); !maps.Equal(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	info, err = ReadInfo(r.dir)
	if err != nil || !info.Finished || info.Lacking != "" || info.Rejected != 1 {
		t.Errorf("after the parts: %+v, %v", info, err)
	}
	if report, err := Verify(t.Context(), r.dir, progress.Discard); err != nil || len(report.Notes) > 0 ||
		report.Rows != len(want) {
		t.Errorf("verify: %+v, %v", report, err)
	}
	for _, entries := range parts {
		result, done, err := ReadPart(t.Context(), r.dir, r.viewed(), r.viewed().PartID(entries))
		if err != nil || !done {
			t.Errorf("part of %s: %+v, done %v, %v", entries[0].Rel, result, done, err)
		}
	}

	// Nothing is missing: neither for a plan, nor for the whole job, which takes the parts in.
	if plan, more := r.parts(t, 2); len(more) > 0 || plan.CachedRows != len(want) || len(plan.Rejected) != 1 {
		t.Errorf("planned again: %+v, %d parts", plan, len(more))
	}
	if o := r.mustDo(t); len(o.tried) > 0 || len(o.rejected) != 1 || o.summary.Dropped > 0 {
		t.Errorf("the whole job: tried %v, rejected %v, %+v", o.tried, o.rejected, o.summary)
	}
	r.check(t, p)
	if left := partFiles(t, r.dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if o := r.mustDo(t); len(o.tried) > 0 || o.summary.Files+o.summary.Rewritten > 0 {
		t.Errorf("again: tried %v, %+v", o.tried, o.summary)
	}
	if info, err := ReadInfo(r.dir); err != nil || info.Rejected != 1 || !info.Finished {
		t.Errorf("%+v, %v", info, err)
	}
	r.views = 2
	if plan, more := r.parts(t, 20); len(more) != 1 || len(more[0]) != 12 { // those of train/
		t.Errorf("with more views: %+v, %d parts", plan, len(more))
	} else if r.allParts(t, more); len(rowsOf(t, r.dir)) != len(want)+12 {
		t.Errorf("with more views: %d rows", len(rowsOf(t, r.dir)))
	}
	if o := r.mustDo(t); len(o.tried) > 0 {
		t.Errorf("with more views: tried %v", o.tried)
	}
	r.check(t, p)
}

// viewed is the manifest with the run's views.
func (r run) viewed() Manifest {
	m := r.manifest
	m.Views = r.views
	return m
}

// Changes between the parts: every photo has the row of its present content, once, whatever stands in other files.
func TestPartsOfAStoreThatChanges(t *testing.T) {
	p := somePhotos(5)
	r := newRun(t, p)
	r.mustDo(t)
	p["train/ants/001.jpg"], p["train/ants/002.jpg"] = "changed", "bad now"
	p["val/bees/new.jpg"] = "new"
	delete(p, "val/ants/000.jpg")
	p.write(t, r.root)
	plan, parts := r.parts(t, 2)
	if plan.CachedRows != 17 || plan.MissingRows != 3 || len(parts) != 2 {
		t.Fatalf("%+v, %d parts", plan, len(parts))
	}
	p["train/ants/001.jpg"] = "changed after the plan"
	p.write(t, r.root)
	r.allParts(t, parts)
	rows := rowsOf(t, r.dir)
	want := SHA256(sha256.Sum256([]byte(p["train/ants/001.jpg"]))).String()
	if got := rows["train/ants/001.jpg@0"]; !strings.HasPrefix(got, want) {
		t.Errorf("the row of the changed photo is %.20s…, want %.20s…", got, want)
	}
	// Other numbers of parts, and twins of those that are done: nothing is there twice.
	again, more := r.parts(t, 1)
	if len(more) > 0 || again.CachedRows != 19 {
		t.Errorf("%+v, %d parts", again, len(more))
	}
	r.allParts(t, parts)
	if got := rowsOf(t, r.dir); len(got) != len(rows) {
		t.Errorf("%d rows, then %d", len(rows), len(got))
	}
	if o := r.mustDo(t); len(o.tried) > 0 || o.summary.Dropped != 3 { // two old contents, and a photo that is gone
		t.Errorf("tried %v, %+v", o.tried, o.summary)
	}
	r.check(t, p)
	r.allParts(t, parts) // stragglers
	if got := rowsOf(t, r.dir); len(got) != 19 {
		t.Errorf("%d rows after stragglers", len(got))
	}
	if o := r.mustDo(t); len(o.computed) > 0 || len(partFiles(t, r.dir)) > 0 {
		t.Errorf("computed %v, left %v", o.computed, partFiles(t, r.dir))
	}
	r.check(t, p)
}

func TestTwinsOfAPartWriteTheSameBytes(t *testing.T) {
	p := somePhotos(8)
	p["train/bees/003.jpg"] = "bad"
	r := newRun(t, p)
	_, parts := r.parts(t, 8)
	r.allParts(t, parts)
	want := files(t, r.dir)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { r.allParts(t, parts) })
	}
	group.Wait()
	same(t, "twins", files(t, r.dir), want)
	r.mustDo(t)
	r.check(t, p)
}

func TestAnUnfinishedPartLeavesNothing(t *testing.T) {
	p := somePhotos(40)
	r := newRun(t, p)
	_, parts := r.parts(t, 160)
	before := files(t, r.dir)
	r.stop = func(k int) bool { return k == 1 }
	r.part(t, parts[0])
	same(t, "stopped", files(t, r.dir), before)
}

func TestADamagedPartIsComputedAgain(t *testing.T) {
	p := somePhotos(5)
	p["val/bees/001.jpg"] = "bad"
	for _, damage := range []struct {
		name string
		do   func(path string) error
	}{
		{"gone", os.Remove},
		{"cut", func(path string) error { return os.Truncate(path, 700) }},
		{"empty", func(path string) error { return os.Truncate(path, 0) }},
		{"a changed bit", func(path string) error {
			text, err := os.ReadFile(path)
			text[len(text)/2] ^= 1
			return errors.Join(err, os.WriteFile(path, text, 0o644))
		}},
	} {
		r := newRun(t, p)
		_, parts := r.parts(t, 5)
		r.allParts(t, parts)
		want := rowsOf(t, r.dir)
		id := r.manifest.PartID(parts[1])
		must(t, damage.do(filepath.Join(r.dir, partName(id, "arrow"))))
		if _, done, err := ReadPart(t.Context(), r.dir, r.manifest, id); err != nil || done {
			t.Errorf("%s: done %v, %v", damage.name, done, err)
		}
		_, err := Open(t.Context(), r.dir, progress.Discard)
		if damage.name != "gone" && fail.KindOf(err) != fail.Store {
			t.Errorf("%s: %v", damage.name, err)
		}
		plan, again := r.parts(t, 5)
		if len(again) != 1 || r.manifest.PartID(again[0]) != id {
			t.Errorf("%s: %+v, %d parts", damage.name, plan, len(again))
		}
		r.allParts(t, again)
		if got := rowsOf(t, r.dir); !maps.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d", damage.name, len(got), len(want))
		}
		r.mustDo(t)
		r.check(t, p)
	}
}

// Any byte of a part's log may be damaged: the part is done or not, and rows and reasons stay right.
func TestDamagedLogsOfParts(t *testing.T) {
	p := somePhotos(2)
	p["val/bees/001.jpg"] = "bad"
	r := newRun(t, p)
	_, parts := r.parts(t, 8)
	r.allParts(t, parts)
	want := rowsOf(t, r.dir)
	path := filepath.Join(r.dir, partName(r.manifest.PartID(parts[0]), "log"))
	good, err := os.ReadFile(path)
	must(t, err)
	for i := 0; i < len(good); i += 7 {
		must(t, os.WriteFile(path, []byte(string(good[:i])+string(good[i]^1)+string(good[i+1:])), 0o644))
		if got := rowsOf(t, r.dir); !maps.Equal(got, want) {
			t.Fatalf("byte %d: %d rows", i, len(got))
		}
		// Two photos at most: the byte may be the newline between their lines.
		if plan, again := r.parts(t, 8); len(again) > 1 || len(again) == 1 && len(again[0]) > 2 {
			t.Fatalf("byte %d: %+v", i, plan)
		}
	}
}

func TestPartsOfAnotherStoreAreRefused(t *testing.T) {
	p := somePhotos(2)
	r := newRun(t, p)
	_, parts := r.parts(t, 8)
	m := r.manifest
	m.WeightsSHA256 = strings.Repeat("c3", 32)
	if m.PartID(parts[0]) == r.manifest.PartID(parts[0]) {
		t.Error("the ID does not depend on the weights")
	}
	seeded := r.manifest
	seeded.Seed = 9
	if seeded.PartID(parts[0]) != r.manifest.PartID(parts[0]) {
		t.Error("the ID depends on a seed that no row depends on")
	}
	viewed := slices.Clone(parts[0])
	viewed[0].Views = 1
	if seeded.PartID(viewed) == r.manifest.PartID(viewed) {
		t.Error("the ID does not depend on the seed of the views")
	}
	if _, err := OpenPart(r.dir, m, parts[0], progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "weights") {
		t.Errorf("%v", err)
	}
	if _, err := OpenPart(t.TempDir(), m, parts[0], progress.Discard); fail.KindOf(err) != fail.Usage {
		t.Errorf("no store: %v", err)
	}
	parts[0][0].Class = "wasps"
	if _, err := OpenPart(r.dir, r.manifest, parts[0], progress.Discard); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "wasps") {
		t.Errorf("an unknown class: %v", err)
	}
}

func TestPartCrashChild(t *testing.T) {
	if os.Getenv(crashStore) == "" {
		t.Skip("only a process to be killed by TestPartsKilledAtAnyMoment")
	}
	r := crashRun(os.Getenv(crashPhotos), os.Getenv(crashStore))
	_, parts := r.parts(t, 9) // of what is missing now
	r.allParts(t, parts)
}

// TestPartsKilledAtAnyMoment kills processes that plan and compute parts. After each kill the store opens; in the end
// it has the rows of one run, each once.
func TestPartsKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts many processes")
	}
	p := somePhotos(10)
	p["train/ants/005.jpg"], p["val/bees/005.jpg"] = "bad", "bad too"
	root, work := t.TempDir(), t.TempDir()
	p.write(t, root)
	calm := crashRun(root, filepath.Join(work, "calm"))
	calm.mustDo(t)
	calm.check(t, p)
	want := rowsOf(t, calm.dir)
	s := random.New(2, "kill")
	for round := range 6 {
		killed := crashRun(root, filepath.Join(work, fmt.Sprint("killed", round)))
		kills, life := 0, 40*time.Millisecond
		for kills < 8 {
			child := exec.Command(os.Args[0], "-test.run=^TestPartCrashChild$", "-test.count=1")
			child.Env = append(os.Environ(), crashPhotos+"="+root, crashStore+"="+killed.dir)
			must(t, child.Start())
			timer := time.AfterFunc(time.Duration(s.Float64()*float64(life)), func() { _ = child.Process.Kill() })
			err := child.Wait()
			timer.Stop()
			if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); err != nil && (!ok || !status.Signaled()) {
				t.Fatalf("the parts failed: %v", err)
			}
			if err == nil {
				break
			}
			kills++
			life += life / 4
			if _, err := ReadManifest(killed.dir); err != nil {
				continue // killed before
			}
			for key, row := range rowsOf(t, killed.dir) {
				if want[key] != row {
					t.Fatalf("round %d: row %s", round, key)
				}
			}
		}
		_, parts := killed.parts(t, 7)
		killed.allParts(t, parts)
		if got := rowsOf(t, killed.dir); !maps.Equal(got, want) {
			t.Fatalf("round %d after %d kills: %d rows, want %d", round, kills, len(got), len(want))
		}
		if o := killed.mustDo(t); len(o.tried) > 0 {
			t.Errorf("round %d: tried %v", round, o.tried)
		}
		killed.check(t, p)
	}
}
