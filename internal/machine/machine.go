package machine

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// CPU returns the processor's name, if the system reports it, and the number of cores that this process may use: "AMD
// EPYC, 2 cores".
func CPU() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // exists on Linux only
	return describe(string(text), runtime.NumCPU())
}

func describe(cpuinfo string, cores int) string {
	name := runtime.GOARCH
	for line := range strings.Lines(cpuinfo) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			name = strings.TrimSpace(value)
			break
		}
	}
	if cores == 1 {
		return name + ", 1 core"
	}
	return fmt.Sprintf("%s, %d cores", name, cores)
}
