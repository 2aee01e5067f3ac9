//go:build unix

package dataset

import (
	"io/fs"
	"syscall"
)

// idOf identifies the file or folder that a name leads to. It is the zero value if the file system has no inode
// numbers.
func idOf(info fs.FileInfo) fileID {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Ino != 0 {
		return fileID{device: uint64(s.Dev), inode: uint64(s.Ino)}
	}
	return fileID{}
}
