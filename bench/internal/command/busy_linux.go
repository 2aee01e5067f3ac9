package command

import (
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is USER_HZ, which is 100 on all Linux platforms of Go.
const ticksPerSecond = 100

// busySeconds returns the working time of all processors since the system started,
// including stolen time.
func busySeconds() float64 {
	text, _ := os.ReadFile("/proc/stat") // counts as 0 if unreadable
	return busyOf(string(text))
}

// busyOf adds up the first line of /proc/stat: user, nice, system, idle, iowait,
// irq, softirq, steal, … (proc_stat(5)).
func busyOf(stat string) float64 {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0
	}
	ticks := 0.0
	for i, field := range fields[1:9] {
		if i == 3 || i == 4 { // idle, iowait
			continue
		}
		n, _ := strconv.ParseFloat(field, 64)
		ticks += n
	}
	return ticks / ticksPerSecond
}
