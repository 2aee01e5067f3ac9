//go:build unix

package command

import (
	"os/exec"
	"syscall"
)

// ownGroup runs a program in its own process group, which is killed as a whole when the
// context ends: a DataLoader's workers must not run during the next measurement. It also
// shields the program from a terminal's Ctrl+C.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
