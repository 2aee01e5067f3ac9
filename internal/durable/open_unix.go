//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// readFlags keep an open from waiting for the other end of a pipe, writeFlags from
// following a link in the last component too.
const (
	readFlags  = unix.O_NONBLOCK
	writeFlags = unix.O_NONBLOCK | unix.O_NOFOLLOW
)

// advisoryLocks tells that a lock keeps nobody from writing the file.
const advisoryLocks = true

// isLink tells the error of an open that writeFlags kept from following a link.
func isLink(err error) bool { return errors.Is(err, unix.ELOOP) }

// links is how many names the file has, 1 where that is not known.
func links(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}
