package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The modes of new files and folders, before the umask of the process.
const (
	fileMode   = 0o666
	folderMode = 0o777
)

// ErrNotRegular means that a path that should be a regular file is a link, a folder, a pipe or a device.
var ErrNotRegular = errors.New("it is not a regular file")

// Open opens the file path with the flags of os.OpenFile. With os.O_CREATE a new file has the mode 0666 less the
// umask. If the last component is a link or a pipe, Open returns ErrNotRegular; it neither follows the link nor waits
// for the pipe. Links among the folders above it are followed.
func Open(path string, flags int) (*os.File, error) {
	refused := func(err error) error { return &fs.PathError{Op: "open", Path: path, Err: err} }
	f, err := os.OpenFile(path, flags&^os.O_TRUNC|writeFlags, fileMode) // truncated below
	if isLink(err) {
		return nil, refused(ErrNotRegular)
	}
	if err != nil {
		if info, statErr := os.Lstat(path); statErr == nil && !info.Mode().IsRegular() { // such as a socket
			return nil, refused(ErrNotRegular)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = refused(ErrNotRegular)
	}
	if err == nil && writeFlags == 0 { // the system has no flag that refuses a link
		if name, statErr := os.Lstat(path); statErr == nil && name.Mode()&fs.ModeSymlink != 0 {
			err = refused(ErrNotRegular)
		}
	}
	if err == nil && flags&os.O_TRUNC != 0 {
		err = f.Truncate(0)
	}
	if err != nil {
		_ = f.Close() // the first error is the one to report
		return nil, err
	}
	return f, nil
}

// OpenToRead opens the file path for reading. It follows links, and returns ErrNotRegular for a pipe or a device
// instead of waiting for its other end.
func OpenToRead(path string) (*os.File, error) {
	f, err := openToRead(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, err
	}
	return f, nil
}

// ReadFile is os.ReadFile through OpenToRead.
func ReadFile(path string) ([]byte, error) {
	f, err := OpenToRead(path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(f)
	return content, errors.Join(err, f.Close())
}

// OpenAppend opens the file path as Open does, to write at its end, and creates it if it is missing. If the file has
// other hard links, as in a copy made with `cp -l`, they keep the old content.
func OpenAppend(path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE
	f, err := Open(path, flags)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && links(info) == 1 {
		return f, nil
	}
	var had []byte
	if err == nil {
		had, err = io.ReadAll(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := WriteBytes(path, had); err != nil {
		return nil, err
	}
	return Open(path, flags)
}

// MakeDir creates the folder path and its parents, with the mode 0777 less the umask. The folder may exist, but not as
// a link: MakeDir is for folders inside --out, and a link would lead the output out of it.
func MakeDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return err
	}
	err := os.Mkdir(path, folderMode)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("it is not a folder of its own")}
	}
	return err
}

// MakeTempDir creates a folder in parent with a unique name that begins with prefix, with the mode 0777 less the
// umask.
func MakeTempDir(parent, prefix string) (string, error) {
	for {
		dir := filepath.Join(parent, fmt.Sprintf("%s%08x", prefix, randomID()))
		if err := os.Mkdir(dir, folderMode); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}
