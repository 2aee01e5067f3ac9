package fail

import "syscall"

// bySystemHere are what Linux's file systems say of damage to themselves, and its drivers of remote disks.
var bySystemHere = []syscall.Errno{syscall.EUCLEAN, syscall.EBADMSG, syscall.EREMOTEIO}
