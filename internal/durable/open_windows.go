package durable

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const readFlags, writeFlags = 0, 0

func isLink(error) bool { return false }

// links returns the number of hard links of the file, 1 if it is unknown.
func links(fs.FileInfo) uint64 { return 1 }

// renameOver waits a moment for others to close the file that it replaces, such as a reader or a virus scanner: Windows
// replaces no open file.
func renameOver(from, to string) error {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !busy || time.Now().After(deadline) {
			return err
		}
	}
}

// SyncDir does nothing: Windows can't fsync a folder, and NTFS keeps names in its journal.
func SyncDir(string) error { return nil }
