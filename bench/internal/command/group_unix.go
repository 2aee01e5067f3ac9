//go:build unix

package command

import (
	"os/exec"
	"syscall"
)

// ownGroup gives a program a process group of its own, which a context that
// ends kills as a whole: a DataLoader's workers must not live on beside the
// next measurement. It keeps a terminal's Ctrl+C from it too.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
