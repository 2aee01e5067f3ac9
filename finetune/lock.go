package finetune

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/durable"
	"fx/internal/fail"
)

// lockName is the file that a run locks while it writes its folder.
const lockName = "lock"

// runLock is the lock of a RUN folder: only this process may write there.
type runLock struct {
	dir  string
	free func()
	made bool // the lock created the folder
}

// lockRun locks a RUN for this process and creates its folders.
func lockRun(dir string) (*runLock, error) {
	_, err := os.Stat(dir)
	h := &runLock{dir: dir, made: errors.Is(err, fs.ErrNotExist)}
	if err := durable.MakeDir(filepath.Join(dir, checkpointDir)); err != nil {
		return nil, fail.Wrap(fail.Usage, err, otherFolder, "run %s", dir)
	}
	h.free, err = durable.Lock(filepath.Join(dir, lockName))
	switch {
	case err == nil:
		return h, nil
	case errors.Is(err, durable.ErrLocked):
		return nil, fail.New(fail.Locked, "Wait until it has ended, or choose another --out.",
			"%s is being written by another fx finetune", dir)
	case durable.NoLocks(err):
		return nil, fail.Wrap(fail.Usage, err, "Choose a folder on a file system with locks.", "lock %s", dir)
	}
	return nil, fail.Wrap(fail.Usage, err, otherFolder, "run %s", dir)
}

// otherFolder is the hint for a RUN that can't be written.
const otherFolder = "Choose a folder that fx may write with --out."

// release unlocks the RUN. If the lock created the folder and no run was written,
// release removes the folder.
func (h *runLock) release() {
	_, err := os.Stat(filepath.Join(h.dir, recordName))
	if h.made && errors.Is(err, fs.ErrNotExist) {
		for _, name := range []string{checkpointDir, lockName, ""} {
			_ = os.Remove(filepath.Join(h.dir, name)) // fails if the folder is not empty
		}
	}
	h.free()
}
