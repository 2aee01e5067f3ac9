//go:build !unix

package photoio

import (
	"io/fs"
	"os"
)

// openFile opens a file to read it.
var openFile = os.Open

func inode(fs.FileInfo) uint64 { return 0 }

func outOfDescriptors(error) bool { return false }
