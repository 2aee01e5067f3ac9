package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Replacement replaces files of a folder which belong together, in one step,
// and leaves all other files of the folder alone. One of them, the root, decides:
//
//	r, err := durable.Replace("model", "model.json")
//	defer r.Close()
//	err = r.Write("head.safetensors", func(path string) error { … })
//	err = r.Remove("metrics.csv")
//	err = r.Commit(text) // of model.json
//
// Members are first written beside the old ones, under names that hold the hash of
// the new root. Renaming the root is the step: before it the old files count, from
// then on the new ones, which readers find by ReadTogether even where a kill
// keeps them from getting their final names. The next Replacement completes that.
type Replacement struct {
	dir, root string
	members   map[string]string // name → mark, newMark or goneMark
	committed bool
	release   func()
}

// Suffixes of a member that waits: a file to take the member's name, or an empty
// one by which the member is to be removed. Of a root that is not written yet they
// stand alone, else "-" and the root's id follow.
const (
	newMark  = ".fx-new"
	goneMark = ".fx-gone"
)

// replaceLock is the lock of a folder whose files are replaced together.
const replaceLock = ".fx-lock"

// replaceWait is how long a Replacement waits for another process's, which takes moments.
var replaceWait = 20 * time.Second

// step is called before each change of the folder; a test replaces it by one that fails.
var step = func(what, path string) error { return nil }

// Replace begins a replacement of files in dir, which must exist, and completes or
// takes away what a killed process left of an earlier one. Another process's is
// waited for; ErrLocked where it does not end.
func Replace(dir, root string) (*Replacement, error) {
	release, err := lockWithin(filepath.Join(dir, replaceLock), replaceWait)
	if err != nil {
		return nil, err
	}
	begun := false
	defer func() {
		if !begun {
			release()
		}
	}()
	r := &Replacement{dir: dir, root: root, members: map[string]string{}, release: release}
	if err := r.recover(); err != nil {
		return nil, err
	}
	begun = true
	return r, nil
}

func lockWithin(path string, wait time.Duration) (release func(), err error) {
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		if release, err = Lock(path); !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return release, err
		}
	}
}

// Write writes the member of that name, a file or a folder, through write, which
// must write durably to the path it is given.
func (r *Replacement) Write(name string, write func(path string) error) error {
	r.members[name] = newMark
	return write(filepath.Join(r.dir, name+newMark))
}

// Path is where a member lies that was written and not committed yet.
func (r *Replacement) Path(name string) string { return filepath.Join(r.dir, name+newMark) }

// Remove removes the member of that name, once the root is replaced.
func (r *Replacement) Remove(name string) error {
	r.members[name] = goneMark
	return WriteBytes(filepath.Join(r.dir, name+goneMark), nil)
}

// Commit replaces the root, and thereby all members. After an error the folder
// holds all old files or, where the error came late, counts as all new ones.
func (r *Replacement) Commit(content []byte) error {
	id := rootID(content)
	for name, mark := range r.members {
		path := filepath.Join(r.dir, name+mark)
		if err := rename(path, path+"-"+id); err != nil {
			return err
		}
	}
	if err := syncDir(r.dir); err != nil {
		return err
	}
	path := filepath.Join(r.dir, r.root)
	err := step("write", path)
	if err == nil {
		err = WriteBytes(path, content)
	}
	if err == nil {
		err = step("written", path)
	}
	if err != nil { // the error may have come after the renaming
		now, readErr := os.ReadFile(path)
		r.committed = readErr != nil && !errors.Is(readErr, fs.ErrNotExist) || bytes.Equal(now, content)
		return err
	}
	r.committed = true
	return r.complete(id)
}

// Close frees the folder, and takes away what was written and not committed.
func (r *Replacement) Close() {
	if !r.committed {
		_ = r.recover() // the next Replacement tries it again
	}
	r.release()
}

// recover completes the replacement that the root is of, and takes away what
// waits for another root.
func (r *Replacement) recover() error {
	content, err := os.ReadFile(filepath.Join(r.dir, r.root))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	id, waiting, stale := rootID(content), false, false
	for _, e := range entries {
		switch _, of, waits := parseWaiting(e.Name()); {
		case waits && of == id:
			waiting = true
		case waits || r.torn(e.Name()):
			stale = true
			if err := removeAll(filepath.Join(r.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if waiting {
		return r.complete(id)
	}
	if stale {
		return syncDir(r.dir)
	}
	return nil
}

// torn tells a temporary file of a replacement whose process was killed: all of
// them are written under the lock.
func (r *Replacement) torn(file string) bool {
	before, _, temporary := strings.Cut(file, tempMark)
	return temporary && (before == r.root || strings.HasSuffix(before, newMark) || strings.HasSuffix(before, goneMark))
}

// complete gives the members of the root with that id their final names.
func (r *Replacement) complete(id string) error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, of, waits := parseWaiting(e.Name())
		if !waits || of != id {
			continue
		}
		from, to := filepath.Join(r.dir, e.Name()), filepath.Join(r.dir, name)
		if strings.HasSuffix(e.Name(), goneMark+"-"+id) {
			err = errors.Join(removeAll(to), removeAll(from))
		} else {
			err = takePlace(from, to)
		}
		if err != nil {
			return err
		}
	}
	return syncDir(r.dir)
}

// takePlace renames from to to, which may be a folder with files in it.
func takePlace(from, to string) error {
	if info, err := os.Lstat(to); err != nil || !info.IsDir() {
		return rename(from, to)
	}
	old := to + goneMark
	if err := removeAll(old); err != nil {
		return err
	}
	if err := rename(to, old); err != nil {
		return err
	}
	if err := rename(from, to); err != nil {
		return err
	}
	return removeAll(old)
}

// ReadTogether reads files of dir that belong together, while others may replace
// them. read gets the root's content, and path to find its members by; it is called
// again where its error may come of a replacement. An error of reading the root is
// returned as it is.
func ReadTogether(dir, root string, read func(content []byte, path func(member string) string) error) error {
	for try := 0; ; try++ {
		content, err := os.ReadFile(filepath.Join(dir, root))
		if err != nil {
			return err
		}
		found := map[string]string{}
		err = read(content, func(member string) string {
			found[member] = locate(dir, content, member)
			return found[member]
		})
		if err == nil || try == 100 {
			return err
		}
		now, readErr := os.ReadFile(filepath.Join(dir, root))
		moved := readErr == nil && !bytes.Equal(now, content)
		for member, path := range found {
			moved = moved || locate(dir, content, member) != path
		}
		if !moved {
			return err
		}
	}
}

// locate returns where a member of the root lies: under its name, or where a
// replacement was not completed under the one that it waits with.
func locate(dir string, root []byte, member string) string {
	path := filepath.Join(dir, member)
	waiting := path + newMark + "-" + rootID(root)
	if _, err := os.Lstat(waiting); err == nil {
		return waiting
	}
	return path
}

// rootID tells roots apart.
func rootID(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// parseWaiting returns of a member that waits its name and the id of its root, ""
// before the root is known.
func parseWaiting(file string) (name, id string, ok bool) {
	for _, mark := range []string{newMark, goneMark} {
		at := strings.LastIndex(file, mark)
		if at <= 0 {
			continue
		}
		name, id = file[:at], file[at+len(mark):]
		if id == "" {
			return name, "", true
		}
		if digits, err := hex.DecodeString(strings.TrimPrefix(id, "-")); err == nil && id[0] == '-' && len(digits) == 8 {
			return name, id[1:], true
		}
	}
	return "", "", false
}

func rename(from, to string) error {
	if err := step("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func removeAll(path string) error {
	if err := step("remove", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

func syncDir(dir string) error {
	if err := step("sync", dir); err != nil {
		return err
	}
	return SyncDir(dir)
}
