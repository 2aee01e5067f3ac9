package sampledata

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Limits of a zip of photos.
const (
	maxArchiveBytes = 500_000_000
	maxEntries      = 10_000
	maxFileBytes    = 100 << 20
	maxAllBytes     = 1 << 30
)

// unzip writes the photos of a zip into dir, without the folder that contains them all.
func unzip(ctx context.Context, zipped, dir string) error {
	return eachPhoto(ctx, zipped, func(inner string, content io.Reader, size int64) error {
		target := filepath.Join(dir, filepath.FromSlash(inner))
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if err != nil {
			return err
		}
		return errors.Join(copyAll(f, content, size), f.Close())
	})
}

// checkZip reads all photos of a zip, so that a web page or a damaged zip is not accepted as the download.
func checkZip(ctx context.Context, zipped string) error {
	return eachPhoto(ctx, zipped, func(_ string, content io.Reader, size int64) error {
		return copyAll(io.Discard, content, size)
	})
}

// eachPhoto calls take with the path of each photo, without the folder that contains them all. It returns an error for
// entries that are neither regular files nor folders, that point outside their folder, or that are larger than
// declared.
func eachPhoto(ctx context.Context, zipped string, take func(inner string, content io.Reader, size int64) error) error {
	z, err := zip.OpenReader(zipped)
	if err != nil {
		return fmt.Errorf("%s is no zip: %w", zipped, err)
	}
	defer func() { _ = z.Close() }() // only read
	if len(z.File) > maxEntries {
		return fmt.Errorf("%s has %d entries, %d are allowed", zipped, len(z.File), maxEntries)
	}
	total := int64(0)
	for _, entry := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Clean(strings.TrimPrefix(entry.Name, "/"))
		if !filepath.IsLocal(filepath.FromSlash(entry.Name)) || strings.Contains(entry.Name, `\`) {
			return fmt.Errorf("%s: the entry %q points outside its folder", zipped, entry.Name)
		}
		mode := entry.Mode()
		if mode.IsDir() || strings.HasPrefix(name, "__MACOSX/") {
			continue
		}
		if !mode.IsRegular() {
			return fmt.Errorf("%s: the entry %q is not a regular file", zipped, entry.Name)
		}
		_, inner, wrapped := strings.Cut(name, "/")
		if !wrapped || !strings.Contains(inner, "/") { // a photo is in a class folder at least
			continue
		}
		if entry.UncompressedSize64 > maxFileBytes {
			return fmt.Errorf("%s: the entry %q has %d bytes, %d are allowed", zipped, entry.Name,
				entry.UncompressedSize64, int64(maxFileBytes))
		}
		if total += int64(entry.UncompressedSize64); total > maxAllBytes {
			return fmt.Errorf("%s unpacks to more than %d bytes", zipped, int64(maxAllBytes))
		}
		content, err := entry.Open()
		if err == nil {
			err = errors.Join(take(inner, content, int64(entry.UncompressedSize64)), content.Close())
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", zipped, entry.Name, err)
		}
	}
	if total == 0 {
		return fmt.Errorf("%s holds no photos in class folders", zipped)
	}
	return nil
}

// copyAll copies exactly size bytes. One byte more shows that the entry is larger than declared.
func copyAll(w io.Writer, content io.Reader, size int64) error {
	n, err := io.Copy(w, io.LimitReader(content, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes instead of the declared %d", n, size)
	}
	return err
}
