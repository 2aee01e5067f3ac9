package machine

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// PeakDuring runs f and returns the most memory, in bytes, that the process held meanwhile beyond what it held before.
// ok is false if the system does not report it, as on all systems but Linux.
func PeakDuring(f func()) (bytes int64, ok bool) {
	debug.FreeOSMemory()
	const resetPeak = "5" // proc_pid_clear_refs(5)
	err := os.WriteFile("/proc/self/clear_refs", []byte(resetPeak), 0)
	before, known := status("VmRSS")
	f()
	peak, reported := Peak()
	return peak - before, err == nil && known && reported
}

// Peak returns the most memory, in bytes, that the process ever held. ok is false if the system does not report it.
func Peak() (bytes int64, ok bool) { return status("VmHWM") }

// status returns a field of proc_pid_status(5) in bytes.
func status(field string) (int64, bool) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, field+":"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
