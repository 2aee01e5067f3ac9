//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Whatever lies in the place of a name, nothing is written through it.
func TestNothingIsWrittenThroughAName(t *testing.T) {
	const kept = "the victim's own words"
	for name, put := range map[string]func(path, victim string) error{
		"a link":          func(path, victim string) error { return os.Symlink(victim, path) },
		"a dangling link": func(path, victim string) error { return os.Symlink(victim+"-missing", path) },
		"a pipe":          func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":        func(path, _ string) error { return os.Mkdir(path, 0o700) },
		"a device":        func(path, _ string) error { return os.Symlink("/dev/full", path) },
	} {
		for what, write := range map[string]func(path string) error{
			"Open": func(path string) error {
				f, err := Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
				if err == nil {
					err = f.Close()
				}
				return err
			},
			"Open to write alone": func(path string) error {
				f, err := Open(path, os.O_WRONLY|os.O_CREATE)
				if err == nil {
					err = f.Close()
				}
				return err
			},
			"OpenAppend": func(path string) error {
				f, err := OpenAppend(path)
				if err == nil {
					err = f.Close()
				}
				return err
			},
			"Lock": func(path string) error {
				release, err := Lock(path)
				if err == nil {
					release()
				}
				return err
			},
		} {
			dir := t.TempDir()
			path, victim := filepath.Join(dir, "name"), filepath.Join(dir, "victim")
			if err := errors.Join(os.WriteFile(victim, []byte(kept), 0o600), put(path, victim)); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- write(path) }()
			select {
			case err := <-ended:
				if !errors.Is(err, ErrNotRegular) && !errors.Is(err, syscall.EISDIR) {
					t.Errorf("%s of %s: %v", what, name, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s of %s blocks", what, name)
			}
			if got, _ := os.ReadFile(victim); string(got) != kept {
				t.Errorf("%s of %s: the victim holds %q", what, name, got)
			}
			if _, err := os.Stat(victim + "-missing"); err == nil {
				t.Errorf("%s of %s made the file that the link names", what, name)
			}
		}
	}
}

// A reader follows links, and waits for nobody.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(in("file"), []byte("text"), 0o600), os.Symlink("file", in("link")),
		syscall.Mkfifo(in("pipe"), 0o600), os.Symlink("pipe", in("to pipe")),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"file": nil, "link": nil, "pipe": ErrNotRegular, "to pipe": ErrNotRegular, "missing": fs.ErrNotExist,
	} {
		ended := make(chan error, 1)
		go func() {
			text, err := ReadFile(in(name))
			if err == nil && string(text) != "text" {
				t.Errorf("%s holds %q", name, text)
			}
			ended <- err
		}()
		select {
		case err := <-ended:
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("reading %s blocks", name)
		}
	}
}

func TestWriteFileReplacesALink(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "name"), filepath.Join(dir, "victim")
	if err := errors.Join(
		os.WriteFile(victim, []byte("kept"), 0o600), os.Symlink(victim, path), WriteBytes(path, []byte("new")),
	); err != nil {
		t.Fatal(err)
	}
	kept, _ := os.ReadFile(victim)
	written, _ := os.ReadFile(path)
	if string(kept) != "kept" || string(written) != "new" {
		t.Errorf("the victim holds %q, the file %q", kept, written)
	}
}

func TestFoldersAboveMayBeLinks(t *testing.T) {
	dir := t.TempDir()
	scratch, linked := filepath.Join(dir, "scratch"), filepath.Join(dir, "linked")
	if err := errors.Join(os.Mkdir(scratch, 0o700), os.Symlink(scratch, linked)); err != nil {
		t.Fatal(err)
	}
	f, err := OpenAppend(filepath.Join(linked, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := MakeDir(filepath.Join(linked, "inside")); err != nil {
		t.Error(err)
	}
	if err := MakeDir(linked); err == nil {
		t.Error("a link passes for a folder that fx made")
	}
	if err := MakeDir(filepath.Join(linked, "f")); err == nil {
		t.Error("a file passes for a folder")
	}
	if err := MakeDir(filepath.Join(linked, "inside")); err != nil {
		t.Errorf("a folder that is there: %v", err)
	}
}

// `cp -al` makes snapshots: what is appended to the original must not show in them.
func TestAppendingLeavesHardLinksAlone(t *testing.T) {
	dir := t.TempDir()
	path, snapshot := filepath.Join(dir, "log"), filepath.Join(dir, "snapshot")
	if err := errors.Join(os.WriteFile(path, []byte("old "), 0o600), os.Link(path, snapshot)); err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"new ", "newer"} {
		f, err := OpenAppend(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(more); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	was, _ := os.ReadFile(snapshot)
	is, _ := os.ReadFile(path)
	if string(was) != "old " || string(is) != "old new newer" {
		t.Errorf("the snapshot holds %q, the log %q", was, is)
	}
}

// New files have the mode 0666, folders 0777, both less the umask.
func TestModesObeyTheUmask(t *testing.T) {
	for _, umask := range []int{0o002, 0o022, 0o077} {
		func() {
			defer syscall.Umask(syscall.Umask(umask))
			dir := t.TempDir()
			in := func(name string) string { return filepath.Join(dir, name) }
			open, err := Open(in("open"), os.O_RDWR|os.O_CREATE)
			if err == nil {
				err = open.Close()
			}
			temporary, errTemp := MakeTempDir(dir, "temporary-")
			release, errLock := Lock(in("lock"))
			if err := errors.Join(err, errTemp, errLock, WriteBytes(in("file"), nil), MakeDir(in("folder")),
				WriteDir(in("whole"), func(string) error { return nil })); err != nil {
				t.Fatal(err)
			}
			release()
			for path, want := range map[string]fs.FileMode{
				in("file"): 0o666, in("open"): 0o666, in("lock"): 0o666, in("folder"): 0o777, in("whole"): 0o777,
				temporary: 0o777,
			} {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Mode().Perm(); got != want&^fs.FileMode(umask) {
					t.Errorf("umask %03o: %s has the mode %03o", umask, filepath.Base(path), got)
				}
			}
		}()
	}
}
