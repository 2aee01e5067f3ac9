//go:build !unix

package durable

import "io/fs"

const readFlags, writeFlags = 0, 0

func isLink(error) bool { return false }

// links is how many names the file has, 1 where that is not known.
func links(fs.FileInfo) uint64 { return 1 }
