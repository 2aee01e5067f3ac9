package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// replaceAll makes dir hold the version: a root, a file, a folder, and a file that
// only the version "old" has.
func replaceAll(dir, version string) error {
	r, err := Replace(dir, "root")
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // a process that is killed closes nothing but its files
			r.release()
			panic(p)
		}
		r.Close()
	}()
	text := []byte(version)
	err = r.Write("file", func(path string) error { return WriteBytes(path, text) })
	if err == nil {
		err = r.Write("folder", func(path string) error {
			return WriteDir(path, func(fresh string) error { return WriteBytes(filepath.Join(fresh, "inside"), text) })
		})
	}
	if err == nil && version == "old" {
		err = r.Write("log.old", func(path string) error { return WriteBytes(path, text) })
	} else if err == nil {
		err = r.Remove("log.old")
	}
	if err == nil {
		err = r.Commit(text)
	}
	return err
}

// readAll returns the version that dir holds, or an error where its files are of two.
func readAll(dir string) (version string, err error) {
	err = ReadTogether(dir, "root", ReadFile, func(root []byte, path func(string) string) error {
		version = string(root)
		for _, member := range []string{path("file"), filepath.Join(path("folder"), "inside")} {
			if text, err := os.ReadFile(member); err != nil || !bytes.Equal(text, root) {
				return fmt.Errorf("the root is %s and %s is %q: %w", root, member, text, err)
			}
		}
		return nil
	})
	return version, err
}

// foreign are files of others, which must survive everything.
var foreign = map[string]string{"report.html": "<p>", ".hidden": "x", "lost+found/a": "y", ".fx-news": "z"}

func plantForeign(t *testing.T, dir string) {
	t.Helper()
	for name, text := range foreign {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func checkForeign(t *testing.T, dir string) {
	t.Helper()
	for name, text := range foreign {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s of somebody else is %q, %v", name, got, err)
		}
	}
}

// failAt makes step number k fail, or kill the process.
func failAt(t *testing.T, k int, kill bool) (reached *int) {
	t.Helper()
	count := 0
	step = func(what, path string) error {
		if count++; count != k {
			return nil
		}
		if kill {
			panic(errKilled)
		}
		return fmt.Errorf("%s %s: %w", what, path, errInjected)
	}
	t.Cleanup(func() { step = func(string, string) error { return nil } })
	return &count
}

var errInjected, errKilled = errors.New("injected"), errors.New("killed")

func replaceUnderFault(dir string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = p.(error)
		}
	}()
	return replaceAll(dir, "new")
}

func TestAFaultAtEveryStepLeavesTheOldFilesOrTheNewOnes(t *testing.T) {
	old, fresh := 0, 0
	for _, kill := range []bool{false, true} {
		for k := 1; ; k++ {
			dir := t.TempDir()
			if err := replaceAll(dir, "old"); err != nil {
				t.Fatal(err)
			}
			plantForeign(t, dir)
			reached := failAt(t, k, kill)
			err := replaceUnderFault(dir)
			step = func(string, string) error { return nil }
			version, readErr := readAll(dir)
			if readErr != nil || version != "old" && version != "new" || err == nil && version != "new" {
				t.Errorf("step %d, kill %v (%v): version %q, %v", k, kill, err, version, readErr)
			}
			if version == "old" {
				old++
				if text, err := os.ReadFile(filepath.Join(dir, "log.old")); err != nil || string(text) != "old" {
					t.Errorf("step %d, kill %v: the old version lost a file: %q, %v", k, kill, text, err)
				}
			} else {
				fresh++
			}
			// The next one leaves nothing of the one that failed.
			if err := replaceAll(dir, "next"); err != nil {
				t.Fatal(err)
			}
			if version, err := readAll(dir); version != "next" || err != nil {
				t.Errorf("step %d, kill %v: then %q, %v", k, kill, version, err)
			}
			checkForeign(t, dir)
			if got, want := names(t,
				dir), ".fx-lock .fx-news .hidden file folder lost+found report.html root"; got != want {
				t.Errorf("step %d, kill %v: then the folder holds %s", k, kill, got)
			}
			if *reached < k {
				break
			}
		}
	}
	if old < 8 || fresh < 8 {
		t.Errorf("%d faults left the old files and %d the new ones: the sweep misses a side", old, fresh)
	}
}

// One process that was killed in the middle, and members that it did not write.
func TestAFirstReplacementThatIsKilledLeavesNone(t *testing.T) {
	dir := t.TempDir()
	for k := 1; k <= 4; k++ {
		failAt(t, k, true)
		err := replaceUnderFault(dir)
		step = func(string, string) error { return nil }
		if _, readErr := readAll(dir); !errors.Is(err, errKilled) || !errors.Is(readErr, fs.ErrNotExist) {
			t.Errorf("step %d: %v, and then %v", k, err, readErr)
		}
	}
}

// A file torn while it was written goes with the next replacement.
func TestTornFilesOfAReplacementAreRemoved(t *testing.T) {
	dir := t.TempDir()
	plantForeign(t, dir)
	for _, torn := range []string{".fx-new.file.fx-tmp-1", "root.fx-tmp-2", ".fx-gone.log.old.fx-tmp-3"} {
		if err := os.WriteFile(filepath.Join(dir, torn), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := replaceAll(dir, "new"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); strings.Contains(got, tempMark) {
		t.Errorf("left: %s", got)
	}
	checkForeign(t, dir)
}

func TestReadersNeverSeeAMixture(t *testing.T) {
	dir := t.TempDir()
	if err := replaceAll(dir, "0"); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for reads := 0; ; reads++ {
				select {
				case <-stop:
					if reads == 0 {
						t.Error("nothing was read")
					}
					return
				default:
				}
				if version, err := readAll(dir); err != nil {
					t.Errorf("version %s: %v", version, err)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 15 {
				if err := replaceAll(dir, fmt.Sprint(w, "-", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func TestReplaceWaitsAndGivesUp(t *testing.T) {
	dir := t.TempDir()
	r, err := Replace(dir, "root")
	if err != nil {
		t.Fatal(err)
	}
	defer func(d time.Duration) { replaceWait = d }(replaceWait)
	replaceWait = 30 * time.Millisecond
	if err := replaceAll(dir, "new"); !errors.Is(err, ErrLocked) {
		t.Errorf("beside another: %v", err)
	}
	r.Close()
	if err := replaceAll(dir, "new"); err != nil {
		t.Error(err)
	}
}

// What can't be read is an error, and no endless loop.
func TestReadTogetherGivesUpOnDamage(t *testing.T) {
	dir := t.TempDir()
	if err := replaceAll(dir, "new"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(dir); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v", err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// Names are on the disk before the root that counts on them, and in the end: a power
// cut can't be tried here, the order of calls can.
func TestTheFolderIsSyncedBeforeTheRootIsReplacedAndInTheEnd(t *testing.T) {
	dir := t.TempDir()
	var calls []string
	step = func(what, path string) error {
		calls = append(calls, what)
		return nil
	}
	t.Cleanup(func() { step = func(string, string) error { return nil } })
	if err := replaceAll(dir, "old"); err != nil {
		t.Fatal(err)
	}
	// file, folder and log.old, before and after
	want := "rename rename rename sync write written rename rename rename sync"
	if got := strings.Join(calls, " "); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
}

// A folder's name may hold what a pattern of names would take for its own.
func TestWaitsInAFolderOfAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m[1]")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		want bool
	}{{"root", false}, {replaceLock, false}, {waiting(newMark, "0123", "head"), true}} {
		if err := os.WriteFile(filepath.Join(dir, c.file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if waits, err := Waits(dir); err != nil || waits != c.want {
			t.Errorf("with %s: %v, %v", c.file, waits, err)
		}
	}
}
