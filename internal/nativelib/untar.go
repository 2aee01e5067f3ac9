package nativelib

import (
	"archive/tar"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"fx/internal/progress"
)

// unpackTar writes the needed files of a .tgz into dir, and has the limits of unpackZip. It writes no links: those of a
// release, such as libonnxruntime.so, lead to a library that it writes under its own name. Any other link is an error.
// It reads the archive to its end, because the checksum is there. name is for the progress.
func unpackTar(ctx context.Context, file, name, dir string, report progress.Reporter) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	task := report.Begin("unpacking "+name, info.Size(), "bytes")
	defer task.End()
	content, err := gzip.NewReader(&archiveFile{ctx, f, task})
	if err != nil {
		return err
	}
	bounded := &io.LimitedReader{R: content, N: maxUnpacked}
	entries := tarEntries{dir: dir, written: map[string]bool{}, links: map[string]string{}}
	err = entries.take(ctx, tar.NewReader(bounded))
	if err == nil {
		_, err = io.Copy(io.Discard, bounded)
	}
	if bounded.N == 0 {
		return errTooLarge
	}
	var corrupt flate.CorruptInputError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, tar.ErrHeader) ||
		errors.As(err, &corrupt) {
		return fmt.Errorf("is incomplete or damaged: %w", err)
	}
	return err
}

// tarEntries are the needed entries of a tar file, by their names.
type tarEntries struct {
	dir     string
	written map[string]bool
	links   map[string]string // the names of their targets
}

func (e tarEntries) take(ctx context.Context, archive *tar.Reader) error {
	for n := 0; ; n++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return e.followLinks()
		}
		if err != nil {
			return err
		}
		if n == maxEntries {
			return fmt.Errorf("has more than %d entries", maxEntries)
		}
		name := strings.TrimPrefix(h.Name, "./")
		place := placeInCache(name)
		if place == "" || h.Typeflag == tar.TypeDir {
			continue
		}
		switch {
		case !inside(name):
			return errNotInside(h.Name)
		case h.Typeflag == tar.TypeSymlink && !path.IsAbs(h.Linkname):
			e.links[name] = path.Join(path.Dir(name), h.Linkname)
		case h.Typeflag == tar.TypeLink:
			e.links[name] = path.Clean(h.Linkname)
		case h.Typeflag != tar.TypeReg:
			return errNotInside(h.Name)
		case h.Size > maxUnpacked:
			return errTooLarge
		default:
			if err := writeNew(ctx, filepath.Join(e.dir, filepath.FromSlash(place)), archive, h.Size); err != nil {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
			e.written[name] = true
		}
	}
}

// followLinks returns an error for a link that does not lead to a written file.
func (e tarEntries) followLinks() error {
	for name := range e.links {
		target := name
		for range len(e.links) { // a longer way is a circle
			if next, is := e.links[target]; is {
				target = next
			}
		}
		if !e.written[target] {
			return fmt.Errorf("contains the link %s to %s, which is no library in it", name, e.links[name])
		}
	}
	return nil
}

// archiveFile reads a file until the context ends, and reports the bytes.
type archiveFile struct {
	ctx context.Context
	io.Reader
	task progress.Task
}

func (f *archiveFile) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.Reader.Read(b)
	f.task.Add(int64(n))
	return n, err
}
