package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// While a folder is replaced, its successor has the first suffix and, where the
// system can't swap two names at once, its predecessor for a moment the second.
const (
	freshSuffix = tempMark + "new"
	staleSuffix = tempMark + "old"
)

// WriteDir replaces the folder dir, or makes it, by what write puts into an
// empty one through WriteFile. On any error the folder that was there before
// is untouched and nothing is left beside it. After a kill RecoverDir finishes
// what was begun; on Linux dir is the old one or the new one, whole, even
// before. One process at a time writes dir.
func WriteDir(dir string, write func(fresh string) error) (err error) {
	if err := RecoverDir(dir); err != nil {
		return err
	}
	fresh := dir + freshSuffix
	defer func() {
		if err != nil {
			_ = os.RemoveAll(fresh) // the first error is the one to report
		}
	}()
	if err := os.Mkdir(fresh, folderMode); err != nil {
		return err
	}
	if err := write(fresh); err != nil {
		return err
	}
	return replaceDir(dir)
}

// replaceDir puts the folder dir+freshSuffix, which is whole and synced, in
// the place of dir.
func replaceDir(dir string) error {
	fresh, stale := dir+freshSuffix, dir+staleSuffix
	_, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = os.Rename(fresh, dir)
	case err == nil && swapNames(fresh, dir) == nil:
		stale = fresh
	case err == nil:
		if err = os.Rename(dir, stale); err == nil {
			if err = os.Rename(fresh, dir); err != nil {
				_ = os.Rename(stale, dir) // where it fails too, RecoverDir does it
			}
		}
	}
	if err != nil {
		return err
	}
	if err := SyncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	return os.RemoveAll(stale)
}

// RecoverDir finishes what a kill interrupted in WriteDir: dir is whole
// afterwards, or absent if it never was, and nothing else is left. Call it
// only while holding the lock under which dir is written.
func RecoverDir(dir string) error {
	fresh, stale := dir+freshSuffix, dir+staleSuffix
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		// A predecessor was moved away: by then the successor was whole.
		if _, err := os.Lstat(stale); err == nil {
			whole := fresh
			if info, err := os.Lstat(fresh); err != nil || !info.IsDir() { // removed, or a link put there
				whole = stale
			}
			if err := os.Rename(whole, dir); err != nil {
				return err
			}
		}
	}
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	return os.RemoveAll(stale)
}
