package weights

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"

	"fx/internal/fail"
)

const maxZipEntries = 100_000

// decodeZip reads the format since PyTorch 1.6: a zip archive with
// NAME/data.pkl, which refers to storages by key, and the storages' elements in
// NAME/data/KEY. Storages that are not compressed, as torch writes them, are
// not copied. Source: torch/serialization.py, _save and _load.
func decodeZip(file []byte, b *budget) (*dict, string, error) {
	archive, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, "", fmt.Errorf("a damaged zip archive: %w", err)
	}
	a := torchArchive{file: file, entries: map[string]*zip.File{}, budget: b}
	if err := a.index(archive.File); err != nil {
		return nil, "", err
	}
	order, err := a.byteOrder()
	if err != nil {
		return nil, "", err
	}
	pickle, err := a.read(a.prefix + "data.pkl")
	if err != nil {
		return nil, "", err
	}
	storages := &storageTable{byKey: map[string]*storage{}}
	root, n, err := unpickle(pickle, storages.persistent, b)
	if err != nil {
		return nil, "", err
	}
	if n != len(pickle) {
		return nil, "", errors.New("bytes after the end of its pickle")
	}
	for _, key := range slices.Sorted(maps.Keys(storages.byKey)) {
		s := storages.byKey[key]
		if s.data, err = a.read(a.prefix + "data/" + key); err != nil {
			return nil, "", err
		}
		if len(s.data) != s.numel*s.dtype.Size() {
			return nil, "", fmt.Errorf("storage %.40q has %d bytes, but its tensors need %d elements of %s", key,
				len(s.data), s.numel, s.dtype)
		}
		if order == "big" {
			if s.data, err = swapped(s.data, s.dtype.Size(), b); err != nil {
				return nil, "", err
			}
		}
	}
	return stateOf(root)
}

type torchArchive struct {
	file    []byte
	entries map[string]*zip.File
	prefix  string // the folder of all entries, with its slash
	budget  *budget
}

const zipHint = "fx reads files of torch.save(model.state_dict(), FILE)."

// index finds the archive's folder and refuses duplicate names.
func (a *torchArchive) index(files []*zip.File) error {
	if len(files) > maxZipEntries {
		return fmt.Errorf("a zip archive with %d entries", len(files))
	}
	for _, f := range files {
		if a.entries[f.Name] != nil {
			return fmt.Errorf("a zip archive with two entries named %.100q", f.Name)
		}
		a.entries[f.Name] = f
		if folder, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && strings.Count(folder, "/") == 1 &&
			strings.HasSuffix(folder, "/") {
			if a.prefix != "" {
				return errors.New("a zip archive with two data.pkl")
			}
			a.prefix = folder
		}
	}
	if a.prefix == "" {
		return fail.New(fail.Model, zipHint, "a zip archive, but not one that torch.save wrote: it has no data.pkl")
	}
	if a.entries[a.prefix+"constants.pkl"] != nil {
		return fail.New(fail.Model, zipHint, "a TorchScript archive: a program rather than weights")
	}
	return nil
}

// byteOrder returns "little" or "big", the order of the writing machine.
func (a *torchArchive) byteOrder() (string, error) {
	if a.entries[a.prefix+"byteorder"] == nil {
		return "little", nil // before PyTorch 2.1, which wrote no such entry
	}
	order, err := a.read(a.prefix + "byteorder")
	if err == nil && string(order) != "little" && string(order) != "big" {
		err = fmt.Errorf("byte order %.20q", order)
	}
	return string(order), err
}

// read returns an entry's content, without a copy if it is not compressed.
func (a *torchArchive) read(name string) ([]byte, error) {
	f := a.entries[name]
	if f == nil {
		return nil, fmt.Errorf("entry %.100q is missing", name)
	}
	if f.Flags&1 != 0 {
		return nil, fmt.Errorf("entry %.100q is encrypted", name)
	}
	if f.Method != zip.Store {
		return a.inflate(f)
	}
	start, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("entry %.100q: %w", name, err)
	}
	size := uint64(len(a.file))
	if f.CompressedSize64 != f.UncompressedSize64 || start < 0 || uint64(start) > size ||
		f.CompressedSize64 > size-uint64(start) {
		return nil, fmt.Errorf("entry %.100q reaches outside the archive", name)
	}
	end := uint64(start) + f.CompressedSize64
	content := a.file[start:end:end]
	// torch writes a checksum of 0 if it is set to compute none.
	if f.CRC32 != 0 && crc32.ChecksumIEEE(content) != f.CRC32 {
		return nil, fmt.Errorf("entry %.100q is damaged: its checksum is wrong", name)
	}
	return content, nil
}

func (a *torchArchive) inflate(f *zip.File) ([]byte, error) {
	if f.UncompressedSize64 > maxFile {
		return nil, fmt.Errorf("entry %.100q claims %d bytes", f.Name, f.UncompressedSize64)
	}
	if err := a.budget.take(int(f.UncompressedSize64)); err != nil {
		return nil, fmt.Errorf("entry %.100q: %w", f.Name, err)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("entry %.100q: %w", f.Name, err)
	}
	content := make([]byte, f.UncompressedSize64)
	if _, err = io.ReadFull(r, content); err == nil {
		var more [1]byte // the checksum is compared at the end
		if _, err = io.ReadFull(r, more[:]); err == io.EOF {
			return content, r.Close()
		} else if err == nil {
			err = errors.New("longer than it claims")
		}
	}
	_ = r.Close() // err is the one to report
	return nil, fmt.Errorf("entry %.100q: %w", f.Name, err)
}

// swapped returns the elements in the other byte order.
func swapped(data []byte, size int, b *budget) ([]byte, error) {
	if size == 1 {
		return data, nil
	}
	if err := b.take(len(data)); err != nil {
		return nil, err
	}
	out := slices.Clone(data)
	for i := 0; i < len(out); i += size {
		slices.Reverse(out[i : i+size])
	}
	return out, nil
}
