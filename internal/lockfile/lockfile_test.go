package lockfile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/lockfile"
)

// input is a made-up one whose SHA-256 consists of one digit.
func input(name, digit string) lockfile.Input {
	return lockfile.Input{Name: name, File: name + ".pth", SHA256: strings.Repeat(digit, 64), Bytes: 7,
		Path: "/weights/" + name + ".pth"}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const both = `{
  "format_version": 1,
  "inputs": [
    {
      "name": "a",
      "file": "a.pth",
      "sha256": "1111111111111111111111111111111111111111111111111111111111111111",
      "bytes": 7
    },
    {
      "name": "b",
      "file": "b.pth",
      "sha256": "2222222222222222222222222222222222222222222222222222222222222222",
      "bytes": 7
    }
  ]
}
`

func TestALockIsWrittenObeyedAndExtended(t *testing.T) {
	lock := lockfile.At(filepath.Join(t.TempDir(), "lock.json"))
	if _, found, err := lock.Want("a"); found || err != nil {
		t.Fatalf("before there is a file: %v, %v", found, err)
	}
	if err := lock.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lock[0]); err == nil {
		t.Error("a lock of nothing was written")
	}
	for _, in := range []lockfile.Input{input("b", "2"), input("a", "1"), input("b", "2")} {
		if err := lock.Hold(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, lock[0]); got != both {
		t.Errorf("the lock is\n%s, want\n%s", got, both)
	}
	err := lock.Hold(t.Context(), input("c", "3"), input("a", "4"))
	if !errors.Is(err, lockfile.ErrHeld) || fail.KindOf(err) != fail.Model {
		t.Errorf("another file under a known name: %v", err)
	}
	for _, want := range []string{strings.Repeat("1", 64), strings.Repeat("4", 64), lock[0], "/weights/a.pth"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if !strings.Contains(fail.HintOf(err), "remove its entry from "+lock[0]) {
		t.Errorf("hint %q", fail.HintOf(err))
	}
	if got := read(t, lock[0]); got != both {
		t.Errorf("a refused input changed the lock to\n%s", got)
	}
	if wanted, found, err := lock.Want("a"); !found || err != nil || wanted.SHA256 != strings.Repeat("1", 64) {
		t.Errorf("want %+v, %v, %v", wanted, found, err)
	}
}

// Every lock of several is obeyed and extended.
func TestSeveralLocks(t *testing.T) {
	store, shared := t.TempDir(), filepath.Join(t.TempDir(), "shared.json")
	lock := lockfile.At(shared).In(store)
	if err := lock.Hold(t.Context(), input("a", "1")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{shared, filepath.Join(store, "lock.json")} {
		if err := (lockfile.Lock{path}).Check(input("a", "2")); !errors.Is(err, lockfile.ErrHeld) {
			t.Errorf("%s does not hold: %v", path, err)
		}
	}
	if err := lockfile.At(shared).In(t.TempDir()).Check(input("a", "2")); !errors.Is(err, lockfile.ErrHeld) {
		t.Errorf("the shared lock does not hold beside an empty one: %v", err)
	}
}

func TestBadLocks(t *testing.T) {
	entry := func(old, new string) string { return strings.Replace(both, old, new, 1) }
	for name, c := range map[string]struct{ text, says string }{
		"an empty file":    {"", "is damaged: unexpected end of JSON"},
		"cut off":          {both[:len(both)/2], "is damaged"},
		"trailing text":    {both + "x", "is damaged"},
		"a merge conflict": {"<<<<<<< HEAD\n" + both, "is damaged"},
		"zeros":            {string(make([]byte, 100)), "is damaged"},
		"another type":     {`[1]`, "is damaged"},
		"null":             {`null`, "no format_version"},
		"no version":       {entry(`"format_version": 1,`, ``), "no format_version"},
		"a newer version": {entry(`"format_version": 1`, `"format_version": 2`),
			"format version 2; this fx reads version 1"},
		"version 0":           {entry(`"format_version": 1`, `"format_version": 0`), "format version 0"},
		"a short hash":        {entry("11111111", "1"), "is no SHA-256"},
		"a hash that is none": {entry("1111", "xxxx"), "is no SHA-256"},
		"upper case":          {entry("1111", "AAAA"), "is no SHA-256"},
		"no name":             {entry(`"name": "a"`, `"name": ""`), "no name"},
		"a name twice":        {entry(`"name": "a"`, `"name": "b"`), `"b" twice`},
		"a negative length":   {entry(`"bytes": 7`, `"bytes": -7`), "-7 bytes"},
		"a huge file":         {both + strings.Repeat(" ", 1<<20), "bytes, where a lock has"},
		"deep nesting":        {strings.Repeat("[", 500_000), "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lock.json")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			lock := lockfile.At(path)
			_, _, wantErr := lock.Want("a")
			for what, err := range map[string]error{"Want": wantErr, "Check": lock.Check(input("a", "1")),
				"Hold": lock.Hold(t.Context(), input("c", "3"))} {
				if err == nil || fail.KindOf(err) != fail.Model || !strings.Contains(err.Error(), c.says) ||
					!strings.Contains(err.Error(), path) || fail.HintOf(err) == "" {
					t.Errorf("%s: %v (%s), want %q", what, err, fail.HintOf(err), c.says)
				}
			}
			if read(t, path) != c.text {
				t.Error("the file was changed")
			}
		})
	}
	for name, path := range map[string]string{
		"a folder":             t.TempDir(),
		"a device":             os.DevNull,
		"in no folder":         filepath.Join(t.TempDir(), "none", "lock.json"),
		"below a file":         filepath.Join(os.Args[0], "lock.json"),
		"an entry that is bad": "",
	} {
		in := input("a", "1")
		if path == "" {
			path, in.SHA256 = filepath.Join(t.TempDir(), "lock.json"), "abc"
		}
		if err := lockfile.At(path).Hold(t.Context(), in); err == nil || in.SHA256 != "abc" &&
			(fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// flock tells apart open files, so goroutines stand in for processes.
func TestTwoAtOnceLoseNoEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock.json")
	var group sync.WaitGroup
	const many = 24
	for i := range many {
		group.Go(func() {
			if err := lockfile.At(path).Hold(t.Context(), input(fmt.Sprint("own", i), "1"),
				input("common", "2")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range many {
		if _, found, err := lockfile.At(path).Want(fmt.Sprint("own", i)); !found {
			t.Errorf("entry %d is lost: %v", i, err)
		}
	}
}

// Of two that hold different files under one name, one is refused.
func TestTwoAtOnceWithDifferentFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock.json")
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = lockfile.At(path).Hold(t.Context(), input("a", fmt.Sprint(i+1))) })
	}
	group.Wait()
	held := 0
	for _, err := range errs {
		if err == nil {
			held++
		} else if !errors.Is(err, lockfile.ErrHeld) {
			t.Error(err)
		}
	}
	if held != 1 {
		t.Errorf("%d different files are held under one name", held)
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	dir := t.TempDir()
	release, err := durable.Lock(filepath.Join(dir, ".lock.json.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := lockfile.At(filepath.Join(dir, "lock.json")).Hold(ctx, input("a", "1")); !errors.Is(err,
		context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A shared lock may lie behind a link, which stays one.
func TestALockBehindALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.json"), filepath.Join(dir, "link.json")
	if err := os.WriteFile(real, []byte(both), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skip(err)
	}
	if err := lockfile.At(link).Hold(t.Context(), input("c", "3")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became a file (%v)", err)
	}
	if !strings.Contains(read(t, real), `"c"`) {
		t.Error("the file behind the link was not extended")
	}
}

func ExampleLock_Hold() {
	dir, err := os.MkdirTemp("", "lock")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	lock := lockfile.At(filepath.Join(dir, "lock.json"))
	weights := lockfile.Input{Name: "weights/resnet18", File: "resnet18-f37072fd.pth",
		SHA256: strings.Repeat("f", 64), Bytes: 46830571}
	fmt.Println(lock.Hold(context.Background(), weights))
	weights.SHA256 = strings.Repeat("e", 64)
	fmt.Println(errors.Is(lock.Check(weights), lockfile.ErrHeld))
	// Output:
	// <nil>
	// true
}
