package store

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fx/internal/fail"
	"fx/internal/testenv"
)

// TestRealFullDisk lets a store fill a file system of 256 KiB, as TestFullDisk imitates it.
func TestRealFullDisk(t *testing.T) {
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		testenv.Lacks(t, testenv.Namespace, "no small file system to fill: %v", err)
	}
	defer func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) }()
	p := somePhotos(10)
	r := newRun(t, p)
	r.dir = filepath.Join(small, "store")
	r.manifest.FeatureShape = []int{2500} // 40 KB a file, 10 files
	o, err := r.do(t)
	if fail.KindOf(err) != fail.DiskFull {
		t.Fatalf("%v of kind %d", err, fail.KindOf(err))
	}
	for name := range files(t, r.dir) {
		if strings.Contains(name, "tmp") {
			t.Errorf("left behind: %s", name)
		}
	}
	must(t, syscall.Mount("", small, "", syscall.MS_REMOUNT, "size=4m"))
	again := r.mustDo(t)
	if len(again.computed) >= len(o.computed) || len(again.computed) == 0 {
		t.Errorf("computed %d, then %d", len(o.computed), len(again.computed))
	}
	r.check(t, p)
}
