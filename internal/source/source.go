package source

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"time"
)

// Source is where the bytes of one photo are. Its errors contain no name: the caller adds it.
type Source interface {
	// String returns the name for messages: the file's path, or the archive's and the member's name.
	String() string
	// Stat describes the bytes without reading them. Opening a device may have effects, Stat has none.
	Stat() (Stat, error)
	// Open opens the bytes, which the caller must close.
	Open() (Content, error)
}

// Stat identifies the state of a Source's bytes, which are the same while it is.
type Stat struct {
	Size    int64     // bytes
	ModTime time.Time // of the file that contains them; zero if unknown
	Inode   uint64    // of that file; 0 if the system has none
}

// Content is an open Source.
type Content interface {
	io.ReadCloser
	// Stat describes the bytes in their present state.
	Stat() (Stat, error)
}

// NotRegular is the error for a directory, a device and the like.
type NotRegular struct{}

// Error returns the reason.
func (NotRegular) Error() string { return "can't be read: not a regular file" }

// Damaged is the error for bytes that the archive around them contradicts. Another try fails too.
type Damaged struct{ Reason string }

// Error returns the reason.
func (d *Damaged) Error() string { return d.Reason }

// File is the path of a file of its own.
type File string

// String returns the path.
func (f File) String() string { return string(f) }

// Stat describes the file behind any link.
func (f File) Stat() (Stat, error) {
	info, err := os.Stat(string(f))
	if err != nil {
		return Stat{}, err
	}
	return statOf(info)
}

// Open opens the file. It does not block if the file was replaced by a pipe.
func (f File) Open() (Content, error) {
	file, err := openFile(string(f))
	if err != nil {
		return nil, err
	}
	return openedFile{file}, nil
}

type openedFile struct{ *os.File }

func (f openedFile) Stat() (Stat, error) {
	info, err := f.File.Stat()
	if err != nil {
		return Stat{}, err
	}
	return statOf(info)
}

func statOf(info fs.FileInfo) (Stat, error) {
	if !info.Mode().IsRegular() {
		return Stat{}, NotRegular{}
	}
	return Stat{Size: info.Size(), ModTime: info.ModTime(), Inode: inode(info)}, nil
}

// Bytes are bytes in memory, with a name for messages.
type Bytes struct {
	Name string
	Data []byte
}

// String returns the name.
func (b Bytes) String() string { return b.Name }

// Stat returns the length. There is no time: nothing is remembered of bytes in memory.
func (b Bytes) Stat() (Stat, error) { return Stat{Size: int64(len(b.Data))}, nil }

// Open returns the bytes.
func (b Bytes) Open() (Content, error) { return openedBytes{bytes.NewReader(b.Data), b}, nil }

type openedBytes struct {
	io.Reader
	Bytes
}

func (openedBytes) Close() error { return nil }
