package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHardware(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"proc/meminfo": "MemTotal:       24684084 kB\nMemFree:  1 kB\n",
		"proc/cpuinfo": "model name\t: A CPU\nflags\t\t: fpu avx avx2 avx512fp16\n",
		"sys/devices/system/cpu/cpu0/cache/index0/level":           "1\n",
		"sys/devices/system/cpu/cpu0/cache/index0/type":            "Data\n",
		"sys/devices/system/cpu/cpu0/cache/index0/size":            "32K\n",
		"sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list": "0\n",
		"sys/devices/system/cpu/cpu0/cache/index1/level":           "1\n",
		"sys/devices/system/cpu/cpu0/cache/index1/type":            "Instruction\n",
		"sys/devices/system/cpu/cpu0/cache/index1/size":            "64K\n",
		"sys/devices/system/cpu/cpu0/cache/index3/level":           "3\n",
		"sys/devices/system/cpu/cpu0/cache/index3/type":            "Unified\n",
		"sys/devices/system/cpu/cpu0/cache/index3/size":            "32768K\n",
		"sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list": "0-2,8\n",
	} {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := Hardware{CPU: CPU(), Caches: "L1 32K, L3 32768K (4 cores share it)", MemoryBytes: 24684084 * 1024,
		Vectors: "AVX2"}
	if got := read(root); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if got := read(t.TempDir()); got != (Hardware{CPU: CPU()}) {
		t.Errorf("of nothing: %+v", got)
	}
}
