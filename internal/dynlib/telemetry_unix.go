//go:build !windows

package dynlib

// setForC has nothing to do: with cgo, os.Setenv calls C's setenv.
func setForC(_, _ string) {}
