package machine

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory returns how many bytes this process may use: the computer's memory, or less if a control group (of a
// container or a batch job) has a limit. It is 0 if the system does not report it, as on all systems but Linux.
func Memory() int64 { return memoryLimit("/") }

// memoryLimit is Memory of the computer whose files are under root.
func memoryLimit(root string) int64 {
	meminfo, _ := os.ReadFile(filepath.Join(root, "proc/meminfo"))    // empty if it can't be read
	groups, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup")) // likewise
	limit := int64(memory(string(meminfo)))
	for line := range strings.Lines(string(groups)) {
		// A line is "number:controllers:path": cgroups(7). Version 2 has the number 0 and no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			if !strings.Contains(","+fields[1]+",", ",memory,") {
				continue
			}
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// Each parent group has its own limit. In a container the path may be the host's: then its groups are
		// invisible, and the container's group is at the mount.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			limit = lower(limit, filepath.Join(root, mount, group, file))
			if group == "/" {
				break
			}
		}
	}
	return limit
}

// lower returns the smaller of limit and the number in the file; 0 means no limit.
func lower(limit int64, file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return limit
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is no number
	if err != nil || n <= 0 || limit > 0 && n >= limit || n > math.MaxInt64/2 {
		return limit
	}
	return n
}
