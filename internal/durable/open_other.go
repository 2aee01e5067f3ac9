//go:build !unix

package durable

import "io/fs"

const readFlags, writeFlags = 0, 0

// advisoryLocks tells that a lock keeps nobody from writing the file.
const advisoryLocks = false

func isLink(error) bool { return false }

// links is how many names the file has, 1 where that is not known.
func links(fs.FileInfo) uint64 { return 1 }
