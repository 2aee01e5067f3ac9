package durable

// State identifies a file and its content without reading it. A write to the file, or a copy to another disk, changes
// its time of change.
type State struct {
	Device, Inode     uint64
	Size              int64
	Modified, Changed int64 // nanoseconds since 1970, of content, and of content or name
}
