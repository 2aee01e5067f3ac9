package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unsafe"

	"fx/internal/fail"
)

// npyWriter writes NumPy's format, version 1.0, on little-endian machines
// (numpy/lib/format.py): the file gets its name when it is complete.
type npyWriter struct {
	path string
	file *os.File
	to   *bufio.Writer
}

func createNPY(path, dtype string, shape ...int) (*npyWriter, error) {
	file, err := os.Create(path + ".part")
	if err != nil {
		return nil, fail.Wrap(fail.Other, err, "Give --out a folder that can be written.", "can't write features")
	}
	w := &npyWriter{path: path, file: file, to: bufio.NewWriterSize(file, 1<<20)}
	sizes := ""
	for _, n := range shape {
		sizes += fmt.Sprintf("%d, ", n)
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, strings.TrimSpace(sizes))
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	start := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(header)))...)
	return w, w.append(append(start, header...))
}

func (w *npyWriter) append(bytes []byte) error {
	if _, err := w.to.Write(bytes); err != nil {
		return fail.Wrap(fail.DiskFull, err, "Make room, or give --out another folder.", "can't write %s", w.path)
	}
	return nil
}

func (w *npyWriter) finish() error {
	err := w.to.Flush()
	if closing := w.file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(w.file.Name(), w.path)
	}
	if err != nil {
		return fail.Wrap(fail.DiskFull, err, "Make room, or give --out another folder.", "can't write %s", w.path)
	}
	return nil
}

// abandon removes an incomplete file.
func (w *npyWriter) abandon() {
	if w.file.Close() == nil {
		_ = os.Remove(w.file.Name()) // already failing
	}
}

func floatBytes(v []float32) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v)) }
func intBytes(v []int64) []byte     { return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 8*len(v)) }

var shapeOf = regexp.MustCompile(`'descr': '([^']*)', 'fortran_order': False, 'shape': \((\d+),(?: (\d+))?,?\)`)

// readNPY reads a matrix of one or two axes that createNPY or NumPy wrote; of
// one axis, columns is 1.
func readNPY(path, dtype string) (bytes []byte, rows, columns int, err error) {
	const hint = "Write the folder with headfit make."
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, 0, fail.Wrap(fail.Usage, err, hint, "can't read features")
	}
	defer func() { _ = file.Close() }() // only read
	start := make([]byte, 10)
	if _, err := io.ReadFull(file, start); err != nil || string(start[:8]) != "\x93NUMPY\x01\x00" {
		return nil, 0, 0, fail.New(fail.Usage, hint, "%s is no .npy file of version 1.0", path)
	}
	header := make([]byte, binary.LittleEndian.Uint16(start[8:]))
	if _, err := io.ReadFull(file, header); err != nil {
		return nil, 0, 0, fail.Wrap(fail.Usage, err, hint, "the header of %s", path)
	}
	m := shapeOf.FindSubmatch(header)
	if m == nil || string(m[1]) != dtype {
		return nil, 0, 0, fail.New(fail.Usage, hint, "%s is not a matrix of %s: %s", path, dtype, header)
	}
	columns = 1
	_, err = fmt.Sscan(string(m[2]), &rows)
	if err == nil && len(m[3]) > 0 {
		_, err = fmt.Sscan(string(m[3]), &columns)
	}
	if err != nil {
		return nil, 0, 0, fail.Wrap(fail.Usage, err, hint, "the shape of %s", path)
	}
	bytes = make([]byte, rows*columns*int(dtype[2]-'0'))
	if _, err := io.ReadFull(file, bytes); err != nil {
		return nil, 0, 0, fail.Wrap(fail.Usage, err, hint, "%s is cut off", path)
	}
	return bytes, rows, columns, nil
}
