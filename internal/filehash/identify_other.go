//go:build !unix

package filehash

import "os"

// identify returns false: this system reports no inode and no time of change.
func identify(*os.File) (identity, bool) { return identity{}, false }
