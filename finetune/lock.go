package finetune

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fx/internal/fail"
)

// lockName is the file that a run holds while it writes its folder. The kernel
// frees it when the process ends, however it ends.
const lockName = "lock"

// hold is a RUN that this process alone may write.
type hold struct {
	dir  string
	file *os.File
	made bool // the folder was not there before
}

// take takes the RUN for this process, and makes its folders where they are not
// there.
func take(dir string) (*hold, error) {
	_, err := os.Stat(dir)
	h := &hold{dir: dir, made: errors.Is(err, fs.ErrNotExist)}
	if err := os.MkdirAll(filepath.Join(dir, checkpointDir), 0o755); err != nil {
		return nil, fail.Wrap(fail.Usage, err, otherFolder, "run %s", dir)
	}
	if h.file, err = os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, fail.Wrap(fail.Usage, err, otherFolder, "run %s", dir)
	}
	for {
		err = unix.Flock(int(h.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return h, nil
	}
	_ = h.file.Close() // nothing was written
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fail.New(fail.Locked, "Wait until it has ended, or choose another --out.", "%s is being written by another fx finetune", dir)
	}
	return nil, fail.Wrap(fail.Other, err, "Choose a folder whose disk has locks.", "lock %s", dir)
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
	_ = h.file.Close() // nothing is written through it
}
