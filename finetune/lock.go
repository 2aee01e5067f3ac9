package finetune

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/durable"
	"fx/internal/fail"
)

// lockName is the file that a run holds while it writes its folder.
const lockName = "lock"

// hold is a RUN that this process alone may write.
type hold struct {
	dir  string
	free func()
	made bool // the folder was not there before
}

// take takes the RUN for this process, and makes its folders where they are not
// there.
func take(dir string) (*hold, error) {
	_, err := os.Stat(dir)
	h := &hold{dir: dir, made: errors.Is(err, fs.ErrNotExist)}
	if err := durable.MakeDir(filepath.Join(dir, checkpointDir)); err != nil {
		return nil, fail.Wrap(fail.Usage, err, otherFolder, "run %s", dir)
	}
	h.free, err = durable.Lock(filepath.Join(dir, lockName))
	switch {
	case err == nil:
		return h, nil
	case errors.Is(err, durable.ErrLocked):
		return nil, fail.New(fail.Locked, "Wait until it has ended, or choose another --out.", "%s is being written by another fx finetune", dir)
	case durable.NoLocks(err):
		return nil, fail.Wrap(fail.Other, err, "Choose a folder whose disk has locks.", "lock %s", dir)
	}
	return nil, fail.Wrap(fail.Usage, err, otherFolder, "run %s", dir)
}

// otherFolder is the hint for a RUN that can't be written.
const otherFolder = "Choose a folder that fx may write with --out."

// release frees the RUN. A folder that was made for a run that did not come
// about is taken away again.
func (h *hold) release() {
	_, err := os.Stat(filepath.Join(h.dir, recordName))
	if h.made && errors.Is(err, fs.ErrNotExist) {
		for _, name := range []string{checkpointDir, lockName, ""} {
			_ = os.Remove(filepath.Join(h.dir, name)) // unless something else lies there by now
		}
	}
	h.free()
}
