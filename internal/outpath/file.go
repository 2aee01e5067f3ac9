package outpath

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fx/internal/durable"
	"fx/internal/fail"
)

// File is a kind of file that fx writes, known by how its content begins.
type File struct {
	what string // such as "an ONNX file"
	is   func(head []byte) bool
}

// The kinds of files that commands write where --out tells them.
var (
	ONNX          = &File{"an ONNX file", beginsWith("\x08")} // the field ir_version, which writers put first
	Safetensors   = &File{"a safetensors file", isSafetensors}
	PNG           = &File{"a PNG picture", beginsWith("\x89PNG\r\n\x1a\n")}
	HTML          = &File{"an HTML page", isHTML}
	Parquet       = &File{"a Parquet file", beginsWith("PAR1")}
	FeaturesTable = &File{"a table of features", beginsWith("path,sha256,split,class,label,view")}
	LRTable       = &File{"a table of learning rates", beginsWith("step,lr,loss,smoothed_loss")}
)

// headBytes is how much of a file is looked at.
const headBytes = 512

func beginsWith(magic string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

// isSafetensors: the length of the header in 8 bytes, and a JSON object.
func isSafetensors(head []byte) bool {
	const largest = 100 << 20 // as the format's own reader allows
	return len(head) > 8 && binary.LittleEndian.Uint64(head) <= largest &&
		bytes.HasPrefix(bytes.TrimLeft(head[8:], " "), []byte("{"))
}

func isHTML(head []byte) bool {
	text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff"))))
	return bytes.HasPrefix(text, []byte("<!doctype html")) || bytes.HasPrefix(text, []byte("<html"))
}

func (f *File) check(t Target) error {
	info, err := os.Stat(t.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a link to nothing is replaced
	case err != nil:
		return fail.Wrap(fail.Usage, err, another, "--out")
	case info.IsDir():
		return fail.New(fail.Usage, "Name a file with --out.", "--out %s is a folder, not a place for %s", t.Path, f.what)
	case !info.Mode().IsRegular():
		return fail.New(fail.Usage, another, "--out %s is no regular file", t.Path)
	}
	return nil
}

func (f *File) allow(t Target) error {
	if err := t.besidePhotos(filepath.Dir(t.Path)); err != nil {
		return err
	}
	head, err := headOf(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fail.Wrap(fail.Usage, err, another, "look at what --out would replace")
	}
	if len(head) > 0 && !f.is(head) {
		return fail.New(fail.Usage, otherFile, "%s is there already, and not %s", t.Path, f.what)
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

func headOf(path string) ([]byte, error) {
	f, err := durable.OpenToRead(path)
	if err != nil {
		return nil, err
	}
	head, err := io.ReadAll(io.LimitReader(f, headBytes))
	return head, errors.Join(err, f.Close())
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func (f *File) tidy(t Target) error { return durable.RemoveStaleOf(t.Path) }
