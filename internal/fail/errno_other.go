//go:build !linux

package fail

import "syscall"

var bySystemHere []syscall.Errno
