package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemory(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no control group", map[string]string{"proc/self/cgroup": "0::/\n"}, 16 * gib},
		{"version 2", map[string]string{
			"proc/self/cgroup":                        "0::/user.slice/job\n",
			"sys/fs/cgroup/user.slice/job/memory.max": "max\n",
			"sys/fs/cgroup/user.slice/memory.max":     "4294967296\n",
		}, 4 * gib},
		{"version 2 in a container", map[string]string{
			"proc/self/cgroup":         "0::/../../host/path\n",
			"sys/fs/cgroup/memory.max": "2147483648\n",
		}, 2 * gib},
		{"version 1", map[string]string{
			"proc/self/cgroup": "12:cpu,cpuacct:/job\n7:memory:/slurm/job_1\n",
			"sys/fs/cgroup/memory/slurm/job_1/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":             "9223372036854771712\n",
		}, gib},
		{"a limit above the memory", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "1099511627776\n",
		}, 16 * gib},
	} {
		root := t.TempDir()
		c.files["proc/meminfo"] = "MemTotal:       16777216 kB\n"
		for name, text := range c.files {
			full := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := memoryLimit(root); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
	if got := memoryLimit(t.TempDir()); got != 0 {
		t.Errorf("of nothing: %d bytes", got)
	}
}

func TestPeakDuring(t *testing.T) {
	const size = 64 << 20
	peak, ok := PeakDuring(func() {
		memory := make([]byte, size)
		for i := 0; i < size; i += 4096 {
			memory[i] = 1
		}
	})
	if !ok {
		t.Skip("the system does not tell")
	}
	const shadow = 8 // what the race detector may add
	if peak < size*9/10 || peak > size*(1+shadow) {
		t.Errorf("%d bytes, and %d were written to", peak, size)
	}
}
