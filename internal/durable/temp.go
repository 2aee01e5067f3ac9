package durable

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A temporary file is called NAME.fx-tmp-HOST-ID. The process that writes it locks it, and the system releases the
// lock however the process ends. So a file that can be locked is an orphan. On disks without locks, or whose locks
// other hosts don't see, the file's age decides.
const tempMark = ".fx-tmp-"

// IsTemporary reports whether name is that of a temporary file or folder of this package.
func IsTemporary(name string) bool { return strings.Contains(filepath.Base(name), tempMark) }

// orphanAge is the age from which a temporary file is an orphan if locks can't decide.
const orphanAge = 24 * time.Hour

// thisHost stands for the host in names of temporary files.
var thisHost = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown" // never the hexadecimal of a host: the age decides
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash never fails
	return fmt.Sprintf("%08x", h.Sum32())
})

// lockTemp locks an existing temporary file. A test replaces it to imitate a disk without locks.
var lockTemp = func(path string) (lock *FileLock, free bool, err error) {
	lock = newFileLock(path, 0)
	free, err = lock.TryExclusive()
	return lock, free, err
}

func randomID() uint32 { return rand.Uint32() }

// createTemp creates the temporary file of path and locks it if the disk has locks.
func createTemp(path string) (*os.File, *FileLock, error) {
	for {
		name := fmt.Sprintf("%s%s%s-%08x", path, tempMark, thisHost(), randomID())
		f, err := Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, ErrNotRegular) {
			continue
		} else if err != nil {
			return nil, nil, err
		}
		lock, free, err := lockTemp(name)
		if err != nil || free {
			// Another process may have removed it as an orphan before it was locked.
			if _, err := os.Lstat(name); err == nil {
				return f, lock, nil
			}
		}
		_ = f.Close() // nothing was written
		_ = os.Remove(name)
		lock.Release()
	}
}

// RemoveStale removes the temporary files that ended processes left in dir. Those of a running process stay.
func RemoveStale(dir string) error {
	return removeStale(dir, func(string) bool { return true })
}

// RemoveStaleOf removes the temporary files of path that ended processes left. A missing folder is no error.
func RemoveStaleOf(path string) error {
	own := filepath.Base(path) + tempMark
	err := removeStale(filepath.Dir(path), func(name string) bool { return strings.HasPrefix(name, own) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func removeStale(dir string, ours func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && IsTemporary(e.Name()) && ours(e.Name()) {
			err := removeOrphan(filepath.Join(dir, e.Name()))
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !inUse(err) { // in use before its writer locked it
				return err
			}
		}
	}
	return nil
}

// removeOrphan removes a temporary file unless a process may be writing it.
func removeOrphan(path string) error {
	lock, free, lockErr := lockTemp(path)
	defer lock.Release()
	switch {
	case errors.Is(lockErr, fs.ErrPermission), errors.Is(lockErr, ErrNotRegular), lockErr == nil && !free:
		return nil // another process writes it
	case lockErr != nil && !NoLocks(lockErr):
		return lockErr
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if (lockErr != nil || fromOtherHost(path)) && time.Since(info.ModTime()) < orphanAge {
		return nil
	}
	return os.Remove(path) // no other file ever has this name
}

var hostPattern = regexp.MustCompile(regexp.QuoteMeta(tempMark) + `([0-9a-z]+)-[0-9a-f]{8}$`)

// fromOtherHost reports whether another host wrote the temporary file. Names of an older fx contain no host.
func fromOtherHost(path string) bool {
	m := hostPattern.FindStringSubmatch(path)
	return m != nil && (m[1] != thisHost() || m[1] == "unknown")
}
