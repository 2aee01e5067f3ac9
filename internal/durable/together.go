package durable

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Replacement replaces related files of a folder, its members, in one step, and leaves all other files alone. One of
// them is the root: readers see the members that belong to its content.
//
// Write writes members beside the old ones, under names that contain the hash of the new root. Commit then renames the
// root, and the members to their final names. Before the root is renamed the old files count, afterwards the new ones:
// ReadTogether finds them even if a kill prevented the last renames. The next Replacement completes those.
type Replacement struct {
	dir, root string
	members   map[string]string // name → mark, newMark or goneMark
	committed bool
	release   func()
}

// Prefixes of pending members: newMark of a file that will get the member's name, goneMark of an empty file that means
// that the member will be removed. Once the root is known, "-", its id and "." follow, then the name with its
// extension.
const (
	newMark  = ".fx-new"
	goneMark = ".fx-gone"
)

// replaceLock is the lock file of a folder with Replacements.
const replaceLock = ".fx-lock"

// replaceWait is how long a Replacement waits for one of another process.
var replaceWait = 20 * time.Second

// step is called before each change of the folder; a test replaces it with one that fails.
var step = func(what, path string) error { return nil }

// Replace begins a replacement of files in dir, which must exist, and completes or removes what a killed process left.
// It waits for a Replacement of another process, and returns ErrLocked if that does not end.
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
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if release, err = WaitLock(ctx, path, func() {}); errors.Is(err, context.DeadlineExceeded) {
		err = ErrLocked
	}
	return release, err
}

// Write writes the member name, a file or a folder, with write, which must write durably to path.
func (r *Replacement) Write(name string, write func(path string) error) error {
	r.members[name] = newMark
	return write(r.Path(name))
}

// Path returns the path of a member that is written but not committed.
func (r *Replacement) Path(name string) string {
	return filepath.Join(r.dir, waiting(newMark, "", name))
}

// Remove removes the member name once the root is replaced.
func (r *Replacement) Remove(name string) error {
	r.members[name] = goneMark
	return WriteBytes(filepath.Join(r.dir, waiting(goneMark, "", name)), nil)
}

// Commit replaces the root, and thereby all members. After an error either all old files count or, if the root was
// already renamed, all new ones.
func (r *Replacement) Commit(content []byte) error {
	id := rootID(content)
	for name, mark := range r.members {
		if err := rename(filepath.Join(r.dir, waiting(mark, "", name)),
			filepath.Join(r.dir, waiting(mark, id, name))); err != nil {
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
		now, readErr := ReadFile(path)
		r.committed = readErr != nil && !errors.Is(readErr, fs.ErrNotExist) || bytes.Equal(now, content)
		return err
	}
	r.committed = true
	return r.complete(id)
}

// Waits reports whether dir has members that the next Replace must rename or remove.
func Waits(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		_, _, _, waits := parseWaiting(e.Name())
		return waits
	}), nil
}

// Close removes what was not committed and unlocks the folder.
func (r *Replacement) Close() {
	if !r.committed {
		_ = r.recover() // the next Replacement tries it again
	}
	r.release()
}

// recover completes the replacement of the current root, and removes pending members of other roots.
func (r *Replacement) recover() error {
	content, err := ReadFile(filepath.Join(r.dir, r.root))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	id, left, stale := rootID(content), false, false
	for _, e := range entries {
		switch _, _, of, waits := parseWaiting(e.Name()); {
		case waits && of == id:
			left = true
		case waits || r.torn(e.Name()):
			stale = true
			if err := removeAll(filepath.Join(r.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if left {
		return r.complete(id)
	}
	if stale {
		return syncDir(r.dir)
	}
	return nil
}

// torn reports whether file is a temporary file of a killed Replacement: only the holder of the lock writes such
// files.
func (r *Replacement) torn(file string) bool {
	before, _, temporary := strings.Cut(file, tempMark)
	_, _, _, waits := parseWaiting(before)
	return temporary && (waits || before == r.root)
}

// complete gives the members of the root with that id their final names.
func (r *Replacement) complete(id string) error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		mark, name, of, waits := parseWaiting(e.Name())
		if !waits || of != id {
			continue
		}
		from, to := filepath.Join(r.dir, e.Name()), filepath.Join(r.dir, name)
		if mark == goneMark {
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
	old := filepath.Join(filepath.Dir(to), waiting(goneMark, "", filepath.Base(to)))
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

// ReadTogether reads related files of dir while other processes may replace them. readRoot is ReadFile, or a function
// that limits sizes. read receives the root's content, and path, which returns the path of a member; it is called
// again if its error may be due to a replacement. An error of readRoot is returned unchanged.
func ReadTogether(
	dir, root string, readRoot func(path string) ([]byte, error),
	read func(content []byte, path func(member string) string) error,
) error {
	for try := 0; ; try++ {
		content, err := readRoot(filepath.Join(dir, root))
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
		now, readErr := readRoot(filepath.Join(dir, root))
		moved := readErr == nil && !bytes.Equal(now, content)
		for member, path := range found {
			moved = moved || locate(dir, content, member) != path
		}
		if !moved {
			return err
		}
	}
}

// locate returns the path of a member of the root: its own, or its pending one if a replacement was not completed.
func locate(dir string, root []byte, member string) string {
	path := filepath.Join(dir, member)
	fresh := filepath.Join(dir, waiting(newMark, rootID(root), member))
	if _, err := os.Lstat(fresh); err == nil {
		return fresh
	}
	return path
}

// rootID identifies the content of a root.
func rootID(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// waiting returns the file name of a pending member of the root id, which is "" until the root is known.
func waiting(mark, id, name string) string {
	if id != "" {
		mark += "-" + id
	}
	return mark + "." + name
}

// parseWaiting is the inverse of waiting.
func parseWaiting(file string) (mark, name, id string, ok bool) {
	for _, mark := range []string{newMark, goneMark} {
		rest, found := strings.CutPrefix(file, mark)
		if !found {
			continue
		}
		if id, name, found := strings.Cut(rest, "."); found && name != "" &&
			file == waiting(mark, strings.TrimPrefix(id, "-"), name) {
			return mark, name, strings.TrimPrefix(id, "-"), true
		}
	}
	return "", "", "", false
}

func rename(from, to string) error {
	if err := step("rename", to); err != nil {
		return err
	}
	return renameOver(from, to)
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
