//go:build !unix

package durable

import "io/fs"

const readFlags, writeFlags = 0, 0

// advisoryLocks is whether a locked file can still be written by others.
const advisoryLocks = false

func isLink(error) bool { return false }

// links returns the number of hard links of the file, 1 if it is unknown.
func links(fs.FileInfo) uint64 { return 1 }
