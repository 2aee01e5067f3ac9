package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fx/internal/fail"
	"fx/internal/progress"
	"fx/internal/random"
)

// crashPhotos and crashStore tell the test binary, started again, what to extract where.
const (
	crashPhotos = "FX_STORE_TEST_PHOTOS"
	crashStore  = "FX_STORE_TEST_STORE"
)

// crashRun is the run that is killed.
func crashRun(photos, store string) run {
	r := run{root: photos, dir: store, manifest: testManifest(), options: WriteOptions{RowsPerShard: 3}}
	r.manifest.FeatureShape = []int{3000}
	r.views = 1
	return r
}

func TestCrashChild(t *testing.T) {
	if os.Getenv(crashStore) == "" {
		t.Skip("only a process to be killed by TestKilledAtAnyMoment")
	}
	crashRun(os.Getenv(crashPhotos), os.Getenv(crashStore)).mustDo(t)
}

// extractAndDie runs the child for the given time, and tells whether it was killed.
func extractAndDie(t *testing.T, r run, life time.Duration) bool {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$", "-test.count=1")
	child.Env = append(os.Environ(), crashPhotos+"="+r.root, crashStore+"="+r.dir)
	must(t, child.Start())
	timer := time.AfterFunc(life, func() { _ = child.Process.Kill() })
	defer timer.Stop()
	err := child.Wait()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); err != nil && (!ok || !status.Signaled()) {
		t.Fatalf("the extract failed: %v", err)
	}
	return err != nil
}

// TestKilledAtAnyMoment kills -9 a process that extracts, at random moments:
// during a first run, and during a run that changes a store. After each kill the store must open; run
// again it must have the bytes of an undisturbed run.
func TestKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts many processes")
	}
	p := somePhotos(10)
	p["train/ants/005.jpg"], p["val/bees/005.jpg"] = "bad", "bad too"
	p["val/ants/twin.jpg"] = p["train/bees/001.jpg"]
	changed := photos{}
	for rel, content := range p {
		switch {
		case strings.HasSuffix(rel, "3.jpg"):
			changed[rel] = content + " changed"
		case strings.HasSuffix(rel, "4.jpg"):
			changed[strings.Replace(rel, "ants", "bees", 1)+"x.jpg"] = content
		case !strings.HasSuffix(rel, "6.jpg"):
			changed[rel] = content
		}
	}
	root, work := t.TempDir(), t.TempDir()
	before := filepath.Join(work, "before") // the store that a stage starts from
	must(t, os.Mkdir(before, 0o755))
	s := random.New(1, "kill")
	for stage, now := range []photos{p, changed} {
		now.write(t, root)
		calm := crashRun(root, filepath.Join(work, fmt.Sprint("calm", stage)))
		must(t, os.CopyFS(calm.dir, os.DirFS(before)))
		start := time.Now()
		if extractAndDie(t, calm, time.Minute) {
			t.Fatal("an extract takes more than a minute")
		}
		duration := time.Since(start)
		want := files(t, calm.dir)
		kills, halves := 0, 0
		for start = time.Now(); time.Since(start) < 2500*time.Millisecond || kills < 3; {
			killed := crashRun(root, filepath.Join(work, "killed"))
			must(t, os.RemoveAll(killed.dir))
			must(t, os.CopyFS(killed.dir, os.DirFS(before)))
			if !extractAndDie(t, killed, time.Duration(s.Float64()*float64(duration))) {
				continue
			}
			kills++
			store, err := Open(context.Background(), killed.dir, progress.Discard)
			if err == nil {
				if !store.Finished() {
					halves++
				}
				must(t, store.Close())
			} else if !errors.Is(err, fs.ErrNotExist) { // killed before the manifest
				t.Fatalf("after kill %d: %v", kills, err)
			}
			killed.mustDo(t)
			same(t, "killed", files(t, killed.dir), want)
		}
		t.Logf("%d kills, %d of them in the middle of the rows; an undisturbed run takes %s", kills, halves, duration)
		calm.check(t, now)
		before = calm.dir
	}
}

// TestFullDisk lets every write fail in turn, as a full disk does, in a first run
// and in one that changes a store.
func TestFullDisk(t *testing.T) {
	p := somePhotos(3)
	changed := maps.Clone(p)
	changed["train/ants/000.jpg"] = "changed"
	changed["val/bees/moved.jpg"] = p["train/ants/001.jpg"]
	delete(changed, "train/ants/001.jpg")
	delete(changed, "val/bees/002.jpg")
	realWrite := writeFile
	defer func() { writeFile = realWrite }()
	r := newRun(t, p)
	empty := t.TempDir()
	before := empty
	for _, stage := range []photos{p, changed} {
		stage.write(t, r.root)
		writes, most := 0, 1<<30
		writeFile = func(path string, content []byte) error {
			if writes++; writes > most {
				return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
			}
			return realWrite(path, content)
		}
		r.dir = filepath.Join(t.TempDir(), "calm")
		must(t, os.CopyFS(r.dir, os.DirFS(before)))
		r.mustDo(t)
		calm, want, n := r.dir, files(t, r.dir), writes
		for k := range n {
			r.dir = filepath.Join(t.TempDir(), "full")
			must(t, os.CopyFS(r.dir, os.DirFS(before)))
			writes, most = 0, k
			_, err := r.do(t)
			if fail.KindOf(err) != fail.DiskFull || !strings.Contains(fail.HintOf(err), "Free some space") ||
				!strings.Contains(err.Error(), r.dir) {
				t.Fatalf("write %d: %v, hint %q", k, err, fail.HintOf(err))
			}
			if k > 0 || before != empty {
				if report, err := Verify(context.Background(), r.dir, progress.Discard); err != nil {
					t.Fatalf("after write %d of %d failed: %+v", k, n, report)
				}
			}
			most = 1 << 30
			r.mustDo(t)
			same(t, fmt.Sprintf("after write %d of %d failed", k, n), files(t, r.dir), want)
		}
		before = calm
	}
}
