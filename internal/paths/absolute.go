package paths

import (
	"path/filepath"
	"strings"
)

// Absolute returns path as an absolute path, or unchanged if there is no working directory.
func Absolute(path string) string {
	if strings.Contains(path, "://") { // the address of a bucket
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
