package nativelib

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"fx/internal/progress"
)

// Limits of a wheel and of a release archive. The largest wheel today, of cuBLAS, contains about one gigabyte.
const (
	maxEntries  = 100_000
	maxUnpacked = 16 << 30
)

// placeInCache returns the path of a package's or an archive's file below the installation's folder, or "" if it is
// not needed. Only libraries are needed; NVIDIA's keep their layout, because they look for each other by relative
// paths.
func placeInCache(name string) string {
	base := path.Base(name)
	switch dir := path.Dir(name); {
	case dir == "onnxruntime/capi" || path.Base(dir) == "lib" && !strings.HasPrefix(name, "nvidia/"):
		if _, provider, is := strings.Cut(base, "_providers_"); is && !strings.HasPrefix(provider, "shared.") &&
			!strings.HasPrefix(provider, "cuda.") {
			return ""
		}
		if strings.HasPrefix(base, "libonnxruntime") && (strings.Contains(base, ".so") ||
			strings.HasSuffix(base, ".dylib")) || strings.HasPrefix(base, "onnxruntime") &&
			strings.HasSuffix(base, ".dll") {
			return base
		}
	case strings.HasPrefix(name, "nvidia/"):
		if strings.Contains(base, ".so") || strings.HasSuffix(base, ".dll") {
			return name
		}
	}
	return ""
}

// unpackZip writes the needed files of a wheel or another zip below dir. It refuses names outside dir, entries that are
// not regular files, and sizes that exceed the limits or differ from the declared ones. archive/zip checks the CRCs.
// name is for the progress.
func unpackZip(ctx context.Context, file, name, dir string, report progress.Reporter) error {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }() // only read
	if len(archive.File) > maxEntries {
		return fmt.Errorf("has %d entries", len(archive.File))
	}
	var wanted []*zip.File
	var total uint64
	for _, f := range archive.File {
		if f.FileInfo().IsDir() || placeInCache(f.Name) == "" {
			continue
		}
		if !f.Mode().IsRegular() || !inside(f.Name) {
			return errNotInside(f.Name)
		}
		total += f.UncompressedSize64
		if f.UncompressedSize64 > maxUnpacked || total > maxUnpacked {
			return errTooLarge
		}
		wanted = append(wanted, f)
	}
	if len(wanted) == 0 {
		return nil
	}
	task := report.Begin("unpacking "+name, int64(total), "bytes")
	defer task.End()
	for _, f := range wanted {
		if err := unpackFile(ctx, f, filepath.Join(dir, filepath.FromSlash(placeInCache(f.Name)))); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		task.Add(int64(f.UncompressedSize64))
	}
	return nil
}

var errTooLarge = fmt.Errorf("unpacks to more than %d bytes", int64(maxUnpacked))

func errNotInside(name string) error {
	return fmt.Errorf("contains %q, which is not a regular file inside it", name)
}

// inside reports whether the name of an archive's entry is a clean path below its root.
func inside(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && !strings.Contains(name, `\`)
}

// packageOf returns the package's name from a wheel's file name.
func packageOf(wheel string) string {
	name, _, _ := strings.Cut(filepath.Base(wheel), "-")
	return name
}

func unpackFile(ctx context.Context, f *zip.File, target string) (err error) {
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	return writeNew(ctx, target, io.LimitReader(from, int64(f.UncompressedSize64)+1), int64(f.UncompressedSize64))
}

// writeNew writes a file that must not exist, of exactly size bytes, and syncs it.
func writeNew(ctx context.Context, target string, from io.Reader, size int64) (err error) {
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return err
	}
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o777)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there are two files %s", filepath.Base(target))
	}
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := to.Close(); err == nil {
			err = closeErr
		}
	}()
	n, err := copyContext(ctx, to, from)
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("has %d bytes, but %d were declared", n, size)
	}
	return to.Sync()
}

// takeUnpacked copies the needed files of a folder of installed packages into dir.
func takeUnpacked(ctx context.Context, site, dir string) error {
	return filepath.WalkDir(site, func(at string, entry os.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return cmp.Or(err, ctx.Err())
		}
		rel, err := filepath.Rel(site, at)
		if err != nil || entry.IsDir() || !entry.Type().IsRegular() {
			return err
		}
		place := placeInCache(filepath.ToSlash(rel))
		if place == "" {
			return nil
		}
		from, err := os.Open(at) // copied, because uv may have linked it to its own cache
		if err != nil {
			return err
		}
		defer func() { _ = from.Close() }() // only read
		info, err := from.Stat()
		if err != nil {
			return err
		}
		return writeNew(ctx, filepath.Join(dir, filepath.FromSlash(place)), from, info.Size())
	})
}

// copyContext is io.Copy that stops when ctx ends.
func copyContext(ctx context.Context, to io.Writer, from io.Reader) (int64, error) {
	const piece = 4 << 20
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := io.CopyN(to, from, piece)
		total += n
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
