package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fx/internal/durable"
)

// The names beside a folder "d" while it is replaced.
const fresh, stale = "d.fx-tmp-new", "d.fx-tmp-old"

func TestAFolderIsReplacedWholeOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		killed  string
		folders []string // that the killed process left
		want    string   // which of them is d afterwards
	}{
		{"while the first was written", []string{fresh}, ""},
		{"while another was written", []string{"d", fresh}, "d"},
		{"between two renamings", []string{stale, fresh}, fresh},
		{"before the old one was removed", []string{"d", stale}, "d"},
		{"before anything", nil, ""},
	} {
		dir := t.TempDir()
		for _, f := range c.folders {
			if err := os.MkdirAll(filepath.Join(dir, f), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f, "content"), []byte(f), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := durable.RecoverDir(filepath.Join(dir, "d")); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "d", "content"))
		if err != nil && !errors.Is(err, os.ErrNotExist) || string(got) != c.want {
			t.Errorf("killed %s: %q, %v", c.killed, got, err)
		}
		if left := names(t, dir); left != "" && left != "d" {
			t.Errorf("killed %s: %s stay behind", c.killed, left)
		}
	}
}

func TestWriteDir(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "d")
	write := func(file string, failure error) error {
		return durable.WriteDir(dir, func(fresh string) error {
			if err := durable.WriteBytes(filepath.Join(fresh, file), []byte(file)); err != nil {
				return err
			}
			return failure
		})
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		file    string
		failure error
		want    string // files in d
	}{{"a", nil, "a"}, {"b", broken, "a"}, {"c", nil, "c"}} {
		if err := write(c.file, c.failure); !errors.Is(err, c.failure) {
			t.Fatalf("writing %s: %v", c.file, err)
		}
		if got := names(t, dir); got != c.want {
			t.Errorf("after writing %s the folder holds %s", c.file, got)
		}
		if got := names(t, parent); got != "d" {
			t.Errorf("after writing %s: %s", c.file, got)
		}
	}
}

// A successor that is gone when it is to take the place stands for a renaming that fails.
func TestTheOldFolderStaysWhereTheNewOneCantTakeItsPlace(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "d")
	if err := durable.WriteDir(dir, func(fresh string) error {
		return durable.WriteBytes(filepath.Join(fresh, "a"), nil)
	}); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteDir(dir, os.Remove); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if got := names(t, parent); got != "d" {
		t.Fatalf("there is %s", got)
	}
	if got := names(t, dir); got != "a" {
		t.Errorf("the old folder holds %q", got)
	}
}

func TestALinkNeverBecomesTheFolder(t *testing.T) {
	dir := t.TempDir()
	victim, d := filepath.Join(dir, "victim"), filepath.Join(dir, "d")
	if err := errors.Join(
		os.Mkdir(victim, 0o700), os.Mkdir(filepath.Join(dir, stale), 0o700), os.Symlink(victim,
			filepath.Join(dir, fresh)),
	); err != nil {
		t.Fatal(err)
	}
	if err := durable.RecoverDir(d); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(d); err != nil || !info.IsDir() {
		t.Errorf("d is %v, %v", info, err)
	}
	if _, err := os.Stat(victim); err != nil {
		t.Errorf("the folder that the link names: %v", err)
	}
}
