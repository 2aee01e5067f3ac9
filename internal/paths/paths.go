package paths

import (
	"os"
	"path/filepath"

	"fx/internal/fail"
)

// Cache returns the path of elem below fx's cache: $FX_CACHE_DIR, else fx in the user's cache directory
// ($XDG_CACHE_HOME, ~/.cache, or the system's equivalent). It creates nothing.
func Cache(elem ...string) (string, error) {
	root := os.Getenv("FX_CACHE_DIR")
	if root == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fail.Wrap(fail.Usage, err, "Set FX_CACHE_DIR to a folder that fx may write.", "no cache folder")
		}
		root = filepath.Join(base, "fx")
	}
	return filepath.Join(append([]string{root}, elem...)...), nil
}
