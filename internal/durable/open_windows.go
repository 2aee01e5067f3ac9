package durable

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const writeFlags = 0

func isLink(error) bool { return false }

// links returns the number of hard links of the file, 1 if it is unknown.
func links(fs.FileInfo) uint64 { return 1 }

// inUse reports whether err means that another process has the file open in a way that excludes the call.
func inUse(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// patiently repeats do for a moment while it fails with an error that may pass.
func patiently(do func() error, passes func(error) bool) error {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := do(); !passes(err) || time.Now().After(deadline) {
			return err
		}
	}
}

// renameOver waits a moment for others to close the file that it replaces, such as a reader or a virus scanner: Windows
// replaces no open file.
func renameOver(from, to string) error {
	return patiently(func() error { return os.Rename(from, to) },
		func(err error) bool { return inUse(err) || errors.Is(err, windows.ERROR_ACCESS_DENIED) })
}

// openToRead waits a moment for a file that is being replaced.
func openToRead(path string) (f *os.File, err error) {
	err = patiently(func() error { f, err = os.Open(path); return err }, inUse)
	return f, err
}

// SyncDir does nothing: Windows can't fsync a folder, and NTFS keeps names in its journal.
func SyncDir(string) error { return nil }
