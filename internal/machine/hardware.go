package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Hardware is what timings depend on. Fields are empty or 0 if the system does not report them, as on all systems but
// Linux.
type Hardware struct {
	CPU         string `json:"cpu"`    // see CPU
	Caches      string `json:"caches"` // of the first core: "L1 32K, L2 1024K, L3 32768K (2 cores share it)"
	MemoryBytes int64  `json:"memory_bytes"`
	Vectors     string `json:"vectors"` // the widest vector instructions: "AVX-512"
}

// Describe describes this computer.
func Describe() Hardware { return read("/") }

// read describes the computer whose files are under root.
func read(root string) Hardware {
	meminfo, _ := os.ReadFile(filepath.Join(root, "proc/meminfo")) // what can't be read stays empty
	cpuinfo, _ := os.ReadFile(filepath.Join(root, "proc/cpuinfo"))
	return Hardware{CPU: CPU(), Caches: caches(filepath.Join(root, "sys/devices/system/cpu/cpu0/cache")),
		MemoryBytes: memory(string(meminfo)), Vectors: vectors(string(cpuinfo))}
}

// caches describes the data caches in a folder of the kernel, which has a folder for each cache.
func caches(dir string) string {
	folders, _ := filepath.Glob(filepath.Join(dir, "index[0-9]*")) // in the order of the levels
	var parts []string
	for _, folder := range folders {
		text := func(name string) string {
			b, _ := os.ReadFile(filepath.Join(folder, name))
			return strings.TrimSpace(string(b))
		}
		if text("size") == "" || text("type") == "Instruction" {
			continue
		}
		part := "L" + text("level") + " " + text("size")
		if n := countList(text("shared_cpu_list")); n > 1 {
			part += fmt.Sprintf(" (%d cores share it)", n)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// countList counts the members of a list such as "0-3,8".
func countList(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, ranged := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		if err != nil {
			return 0
		}
		b := a
		if ranged {
			if b, err = strconv.Atoi(last); err != nil {
				return 0
			}
		}
		n += b - a + 1
	}
	return n
}

// memory returns the bytes of memory in a /proc/meminfo.
func memory(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib * 1024
		}
	}
	return 0
}

// vectors returns the name of the widest vector instructions in a /proc/cpuinfo.
func vectors(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, flags, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) != "flags" {
			continue
		}
		for _, v := range []struct{ flag, name string }{{"avx512f", "AVX-512"}, {"avx2", "AVX2"}, {"avx", "AVX"}} {
			if strings.Contains(flags+" ", " "+v.flag+" ") {
				return v.name
			}
		}
		return ""
	}
	return ""
}
