package outpath

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/made"
)

// Folder is a kind of folder that fx makes, see made.Kind, and what it holds.
type Folder struct {
	made.Kind
	names    []string  // patterns of what the command makes before its format file is there
	parts    []string  // patterns of files that later commands read, and that no other output may replace
	replaced []string  // folders in it that are replaced whole, with all that lies in them
	contains []*Folder // kinds whose format files belong to this kind too
	locked   bool      // the command clears up itself, once it has the folder's lock
}

// entries lists the folder; there is false where there is none.
func (f *Folder) entries(t Target) (list []fs.DirEntry, there bool, err error) {
	info, there, err := stat(t.Path)
	if err != nil || !there {
		return nil, false, err
	}
	if !info.IsDir() {
		return nil, false, fail.New(fail.Usage, another, "--out %s is not a directory", t.Path)
	}
	list, err = os.ReadDir(t.Path)
	if errors.Is(err, fs.ErrNotExist) { // another process just removed it
		return nil, false, nil
	}
	return list, err == nil, fail.Wrap(fail.Usage, err, "Choose a folder that fx may read and write with --out.",
		"--out")
}

func (f *Folder) check(t Target) error {
	if t.Nested {
		if err := notALink(t.Path); err != nil {
			return err
		}
	}
	list, _, err := f.entries(t)
	if err != nil {
		return err
	}
	for _, e := range list {
		const regular = fs.ModeDir | fs.ModeSymlink
		if e.Type()&^regular != 0 && f.knows(e.Name()) { // a pipe would block
			return fail.New(fail.Usage, removeIt, "%s is neither a file nor a folder", filepath.Join(t.Path, e.Name()))
		}
	}
	return nil
}

// knows tells whether a file of that name is the kind's own.
func (f *Folder) knows(name string) bool {
	return f.HasMark(name) || matches(f.names, name)
}

func (f *Folder) allow(t Target) error {
	if err := t.besidePhotos(t.Path); err != nil {
		return err
	}
	list, there, err := f.entries(t)
	if err != nil || !there {
		return err
	}
	own, err := f.Finished(t.Path, list)
	if err != nil {
		return err
	}
	for _, other := range folders {
		if other == f || own && slices.Contains(f.contains, other) {
			continue
		}
		if is, err := other.Finished(t.Path, list); err != nil {
			return err
		} else if is {
			return fail.New(fail.Usage, orForce, "%s holds %s", t.Path, other.What)
		}
	}
	begun, err := f.Begun(t.Path, list)
	if err != nil {
		return err
	}
	if own || begun {
		return f.keepsAll(t)
	}
	if foreign, err := f.foreign(t.Path, "", list); err != nil {
		return err
	} else if foreign != "" {
		return fail.New(fail.Usage, orForce, "%s is not %s: it holds %s", t.Path, f.What, foreign)
	}
	return nil
}

// keepsAll refuses a folder of the kind in which something of others' would go
// with what is replaced whole.
func (f *Folder) keepsAll(t Target) error {
	for _, name := range f.replaced {
		list, err := os.ReadDir(filepath.Join(t.Path, name))
		if err := made.SystemFailed(err); err != nil {
			return err
		}
		if err != nil {
			continue // what is not there is not lost
		}
		if foreign, err := f.foreign(t.Path, name, list); err != nil {
			return err
		} else if foreign != "" {
			return fail.New(fail.Usage, "Move it away, or remove it with --force.",
				"%s would be lost: %s is replaced whole",
				filepath.Join(t.Path, filepath.FromSlash(foreign)), filepath.Join(t.Path, name))
		}
	}
	return nil
}

// foreign returns the first entry that the command did not leave, or "". below is
// where the entries lie in dir. The error is the system's.
func (f *Folder) foreign(dir, below string, entries []fs.DirEntry) (string, error) {
	for _, e := range entries {
		name := path.Join(below, e.Name())
		if strings.HasPrefix(e.Name(), ".") || e.Name() == "lost+found" || durable.IsTemporary(e.Name()) {
			continue
		}
		if !matches(f.names, name) {
			return name, nil
		}
		if e.IsDir() {
			inner, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil {
				return name, made.SystemFailed(err)
			}
			if foreign, err := f.foreign(dir, name, inner); foreign != "" || err != nil {
				return foreign, err
			}
		}
	}
	return "", nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // the patterns are right
		return ok
	})
}

func (f *Folder) tidy(t Target) error {
	if f.locked {
		return nil
	}
	if err := durable.RemoveStale(t.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
