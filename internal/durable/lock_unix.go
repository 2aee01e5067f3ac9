//go:build unix

package durable

import (
	"os"

	"github.com/gofrs/flock"
)

type systemLock = flock.Flock

// newSystemLock opens the file for writing, with flags, because NFS requires that for an exclusive lock.
func newSystemLock(path string, flags int) *systemLock {
	return flock.New(path, flock.SetFlag(os.O_RDWR|flags|writeFlags), flock.SetPermissions(fileMode))
}
