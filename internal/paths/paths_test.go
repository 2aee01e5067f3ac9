package paths_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fx/internal/paths"
)

func TestCacheFollowsTheUsersCacheFolder(t *testing.T) {
	t.Setenv("FX_CACHE_DIR", "")
	t.Setenv("HOME", "/home/a") // macOS looks there, Linux at XDG_CACHE_HOME first
	t.Setenv("XDG_CACHE_HOME", "/caches")
	got, err := paths.Cache("weights")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(got) != "weights" || filepath.Base(filepath.Dir(got)) != "fx" {
		t.Errorf("cache at %s", got)
	}
}

func ExampleCache() {
	_ = os.Setenv("FX_CACHE_DIR", "/data/fx-cache")
	dir, err := paths.Cache("runtime", "turbojpeg")
	fmt.Println(filepath.ToSlash(dir), err)
	// Output: /data/fx-cache/runtime/turbojpeg <nil>
}
