package finetune

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fx/internal/fail"
)

// lockName is the file that a run holds while it writes its folder. The kernel
// frees it when the process ends, however it ends.
const lockName = "lock"

// lock takes the RUN for this process.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fail.Wrap(fail.Usage, err, "Choose a folder that fx may write with --out.", "run %s", dir)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fail.New(fail.Locked, "Wait until it has ended, or choose another --out.", "%s is being written by another fx finetune", dir)
	}
	return nil, fail.Wrap(fail.Other, err, "Choose a folder whose disk has locks.", "lock %s", dir)
}
