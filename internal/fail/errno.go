package fail

import (
	"errors"
	"slices"
	"strings"
	"syscall"
)

// bySystem are the error numbers of a system that failed, for whatever file: a disk's error, no descriptors or no
// memory left, a network drive that is gone.
var bySystem = append([]syscall.Errno{
	syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE,
}, bySystemHere...)

// aboutFile are the error numbers that are about the name or the rights of the file asked for.
var aboutFile = []syscall.Errno{
	syscall.ENOENT, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EACCES, syscall.EPERM,
}

// AboutFile reports whether err, of opening or reading a file, is about that file's name or
// rights, and so recurs until somebody changes the file. Any other error number has another cause.
func AboutFile(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) && slices.Contains(aboutFile, number)
}

// ErrnoIn returns the error number of a system that failed whose text ends message, such as
// "libx.so: cannot open shared object file: Input/output error", or nil. dlerror returns such
// texts without the number.
func ErrnoIn(message string) error {
	for _, number := range bySystem {
		if strings.HasSuffix(strings.ToLower(message), ": "+strings.ToLower(number.Error())) {
			return number
		}
	}
	return nil
}

// systemFailed reports whether the chain of err ends in one of bySystem.
func systemFailed(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) && slices.Contains(bySystem, number)
}
