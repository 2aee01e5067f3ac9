package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// While a folder is replaced, the new folder has the first suffix. If the system can't swap two names in one step, the
// old folder briefly has the second.
const (
	freshSuffix = tempMark + "new"
	staleSuffix = tempMark + "old"
)

// WriteDir creates or replaces the folder dir. write fills an empty folder, with WriteFile. After any error the old
// folder is untouched and nothing is left beside it. After a kill RecoverDir completes or undoes the replacement; on
// Linux dir is always the complete old or new folder, even before that. Only one process at a time may write dir.
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

// replaceDir replaces dir with the folder dir+freshSuffix, which is complete and synced.
func replaceDir(dir string) error {
	fresh, stale := dir+freshSuffix, dir+staleSuffix
	_, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = renameOver(fresh, dir)
	case err == nil && swapNames(fresh, dir) == nil:
		stale = fresh
	case err == nil:
		if err = renameOver(dir, stale); err == nil {
			if err = renameOver(fresh, dir); err != nil {
				_ = renameOver(stale, dir) // RecoverDir tries again
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

// RecoverDir completes or undoes a WriteDir that a kill interrupted: afterwards dir is complete, or absent if it never
// was complete, and nothing else is left. Call it only while holding the lock under which dir is written.
func RecoverDir(dir string) error {
	fresh, stale := dir+freshSuffix, dir+staleSuffix
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		// The old folder was moved away, so the new one is complete.
		if _, err := os.Lstat(stale); err == nil {
			whole := fresh
			if info, err := os.Lstat(fresh); err != nil || !info.IsDir() { // removed, or a link put there
				whole = stale
			}
			if err := renameOver(whole, dir); err != nil {
				return err
			}
		}
	}
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	return os.RemoveAll(stale)
}
