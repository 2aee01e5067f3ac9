package finetune

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/durable"
)

// While a folder is replaced, its successor has the first suffix and, where the
// system can't swap two names at once, its predecessor for a moment the second.
const (
	freshSuffix = ".fx-tmp-new"
	staleSuffix = ".fx-tmp-old"
)

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
			err = os.Rename(fresh, dir)
		}
	}
	if err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	return os.RemoveAll(stale)
}

// recoverDir finishes what a kill interrupted in replaceDir or while its
// successor was written: dir is whole afterwards, or absent if it never was,
// and nothing else is left.
func recoverDir(dir string) error {
	fresh, stale := dir+freshSuffix, dir+staleSuffix
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		// A predecessor was moved away: by then the successor was whole.
		if _, err := os.Lstat(stale); err == nil {
			if err := os.Rename(fresh, dir); err != nil {
				return err
			}
		}
	}
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	return os.RemoveAll(stale)
}
