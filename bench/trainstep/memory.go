package main

import (
	"os"
	"strconv"
	"strings"
)

// peakMB is the largest resident memory that this process ever had, in 10⁶
// bytes, as Linux counts it; 0 elsewhere. getrusage's ru_maxrss would count
// the parent's memory before exec as well.
func peakMB() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			if err != nil {
				return 0
			}
			return kib * 1024 / 1e6
		}
	}
	return 0
}
