package paths

import "path/filepath"

// Absolute returns path as an absolute one, or as it is without a working
// directory: the relative path is the best name then.
func Absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
