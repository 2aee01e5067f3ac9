package outpath

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fx/internal/durable"
	"fx/internal/fail"
)

// File is a kind of file that fx writes, see ownfile.go.
type File struct {
	what string                       // such as "an ONNX file"
	is   func(head []byte) bool       // the format
	own  func(head, tail []byte) bool // what fx alone writes in it; nil where the format is fx's own
}

func (f *File) check(t Target) error {
	info, err := os.Stat(t.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a link to nothing is replaced
	case err != nil:
		return fail.Wrap(fail.Usage, err, another, "--out")
	case info.IsDir():
		return fail.New(fail.Usage, "Name a file with --out.", "--out %s is a folder, not a place for %s", t.Path,
			f.what)
	case !info.Mode().IsRegular():
		return fail.New(fail.Usage, another, "--out %s is no regular file", t.Path)
	}
	return nil
}

func (f *File) allow(t Target) error {
	if err := t.besidePhotos(filepath.Dir(t.Path)); err != nil {
		return err
	}
	head, tail, err := endsOf(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fail.Wrap(fail.Usage, err, another, "look at what --out would replace")
	}
	// In a folder of fx's own the name says whose file it is.
	if len(head) > 0 && (!f.is(head) || f.own != nil && !t.Nested && !f.own(head, tail)) {
		return fail.New(fail.Usage, otherFile, "%s is there already, and not %s that fx wrote", t.Path, f.what)
	}
	if slices.ContainsFunc(t.Inputs, func(input string) bool { return sameFile(input, t.Path) }) {
		return fail.New(fail.Usage, otherFile, "%s is what the command reads", t.Path)
	}
	dir, name := filepath.Split(filepath.Clean(t.Path))
	for _, folder := range folders {
		if !matches(folder.parts, name) {
			continue
		}
		if is, err := folder.In(filepath.Clean(dir)); err != nil {
			return err
		} else if is {
			return fail.New(fail.Usage, otherFile, "%s is a part of %s", t.Path, folder.What)
		}
	}
	return nil
}

// endsOf returns the first and the last bytes of a file, which may overlap.
func endsOf(path string) (head, tail []byte, err error) {
	f, err := durable.OpenToRead(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if head, err = io.ReadAll(io.LimitReader(f, endBytes)); err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	tail = make([]byte, min(info.Size(), endBytes))
	n, err := f.ReadAt(tail, info.Size()-int64(len(tail)))
	if errors.Is(err, io.EOF) { // somebody shortened it
		err = nil
	}
	return head, tail[:n], err
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func (f *File) tidy(t Target) error { return durable.RemoveStaleOf(t.Path) }
