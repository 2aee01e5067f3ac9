package store

import "io/fs"

func (*shardFile) releaseMemory() {}

func inode(fs.FileInfo) uint64 { return 0 }
