// Package machinetest measures for tests what only the system knows of a process.
package machinetest

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// Peak returns how much more memory the process holds at most while f runs than before, in
// bytes. The test is skipped where the system does not tell, as everywhere but on Linux.
func Peak(t testing.TB, f func()) int64 {
	t.Helper()
	debug.FreeOSMemory()
	const resetPeak = "5" // proc_pid_clear_refs(5)
	if err := os.WriteFile("/proc/self/clear_refs", []byte(resetPeak), 0); err != nil {
		t.Skip(err)
	}
	before := status(t, "VmRSS")
	f()
	return status(t, "VmHWM") - before
}

// status returns a field of proc_pid_status(5) in bytes.
func status(t testing.TB, field string) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	_, after, _ := strings.Cut(string(text), field+":")
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
