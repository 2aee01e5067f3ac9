package paths

import "os"

// Same tells whether two paths lead to the same file or folder, by whatever name.
func Same(a, b string) bool {
	if Absolute(a) == Absolute(b) {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
