package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fx/internal/onnx/pb"
)

// inlineExternal reads the data of tensors from files beside the model into the tensors. It reads at most left bytes.
func inlineExternal(m *pb.ModelProto, folder string, left int64) error {
	e := externalReader{folder: folder, left: left, files: map[string]*os.File{}}
	defer e.close()
	return eachTensor(m, func(t *pb.TensorProto) error {
		if t.DataLocation != pb.TensorProto_EXTERNAL {
			return nil
		}
		if err := e.inline(t); err != nil {
			return fmt.Errorf("external data of tensor %q: %w", t.Name, err)
		}
		return nil
	})
}

// missingFile is the error of a model whose external data is not there.
type missingFile struct{ location string }

func (e missingFile) Error() string {
	return fmt.Sprintf("no such file beside the ONNX file: %s", e.location)
}

type externalReader struct {
	folder string
	root   *os.Root
	left   int64
	files  map[string]*os.File
}

func (e *externalReader) close() {
	for _, f := range e.files {
		f.Close()
	}
	if e.root != nil {
		e.root.Close()
	}
}

func (e *externalReader) inline(t *pb.TensorProto) error {
	want, err := tensorBytes(t)
	if err != nil {
		return err
	}
	if hasData(t) {
		return errors.New("the tensor also contains data of its own")
	}
	location, offset, length := "", int64(0), want
	for _, entry := range t.ExternalData {
		switch entry.Key {
		case "location":
			location = entry.Value
		case "offset", "length":
			v, err := strconv.ParseInt(entry.Value, 10, 64)
			if err != nil || v < 0 {
				return fmt.Errorf("%s %q is not a byte count", entry.Key, entry.Value)
			}
			if entry.Key == "offset" {
				offset = v
			} else {
				length = v
			}
		}
	}
	if length != want {
		return fmt.Errorf("length %d, but its type and dimensions %v need %d bytes", length, t.Dims, want)
	}
	f, size, err := e.open(location)
	if err != nil {
		return err
	}
	if offset > size || length > size-offset {
		return fmt.Errorf("bytes %d to %d of %s, which has %d", offset, offset+length, location, size)
	}
	if e.left -= length; e.left < 0 {
		return errors.New("the model with its external data is larger than accepted (2 GiB unless set otherwise)")
	}
	data := make([]byte, length)
	if _, err := f.ReadAt(data, offset); err != nil && !(err == io.EOF && length == 0) {
		return err
	}
	t.RawData = data
	t.ExternalData = nil
	t.DataLocation = pb.TensorProto_DEFAULT
	return nil
}

// open opens a regular file below the model's folder. location must be a relative path without ".." and without links;
// in a Hugging Face hub cache it may be a link to a blob.
func (e *externalReader) open(location string) (*os.File, int64, error) {
	if f := e.files[location]; f != nil {
		info, err := f.Stat()
		if err != nil {
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
	if location == "" {
		return nil, 0, errors.New("no location is given")
	}
	if !filepath.IsLocal(location) || strings.ContainsAny(location, "\\\x00") ||
		filepath.ToSlash(filepath.Clean(location)) != strings.TrimPrefix(location, "./") {
		return nil, 0, fmt.Errorf("location %q is not a plain path inside the model's own folder", location)
	}
	if e.root == nil {
		root, err := os.OpenRoot(e.folder)
		if err != nil {
			return nil, 0, err
		}
		e.root = root
	}
	var last os.FileInfo
	for i := 0; i <= len(location); i++ {
		if i < len(location) && location[i] != '/' {
			continue
		}
		info, err := e.root.Lstat(location[:i])
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, missingFile{location}
		}
		if err != nil {
			return nil, 0, err
		}
		if info.Mode()&os.ModeSymlink != 0 {
			if f, err := e.openBlob(location); i == len(location) && !errors.Is(err, errNoHub) {
				return e.keep(location, f, err)
			}
			return nil, 0, fmt.Errorf("location %q goes through the link %s", location, location[:i])
		}
		last = info
	}
	f, err := openRegular(e.root, location, last)
	return e.keep(location, f, err)
}

// keep stores an open file, and returns its size.
func (e *externalReader) keep(location string, f *os.File, err error) (*os.File, int64, error) {
	if err != nil {
		return nil, 0, fmt.Errorf("location %q: %w", location, err)
	}
	e.files[location] = f
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// openRegular opens the regular file that Lstat described.
func openRegular(root *os.Root, name string, described os.FileInfo) (*os.File, error) {
	if !described.Mode().IsRegular() { // checked before opening: a named pipe would block
		return nil, errors.New("not a regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(info, described) {
		err = errors.New("it changed while it was opened")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
