package paths

import "path/filepath"

// Absolute returns path as an absolute path, or unchanged if there is no working directory.
func Absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
