//go:build unix

package machine

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"fx/internal/fail"
)

// NeedDescriptors returns a fail.System error if this process can't open n more files, which libraries such as ONNX
// Runtime do not survive. Go has already raised the soft limit to the hard limit.
func NeedDescriptors(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // no limit is known
	}
	open, err := os.ReadDir("/dev/fd")
	if err != nil && !errors.Is(err, syscall.EMFILE) {
		return nil // the system does not list them
	}
	free := max(0, int64(limit.Cur)-int64(len(open)))
	if err != nil {
		free = 0
	}
	if free < int64(n) {
		hint := fmt.Sprintf("Raise the limit in the shell, or ask the administrator to: ulimit -n %d.",
			max(1024, len(open)+n))
		return fail.New(fail.System, hint, "only %d of the %d files that this process may have open at once are "+
			"left, and %d are needed", free, limit.Cur, n)
	}
	return nil
}
