//go:build unix

package filehash

import (
	"os"

	"golang.org/x/sys/unix"
)

func identify(file *os.File) (identity, bool) {
	var s unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &s); err != nil || s.Mode&unix.S_IFMT != unix.S_IFREG {
		return identity{}, false
	}
	return identity{uint64(s.Dev), uint64(s.Ino), s.Size, s.Mtim.Nano(), s.Ctim.Nano()}, true
}
