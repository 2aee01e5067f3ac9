package sample

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Bounds on what a zip of photos may hold.
const (
	maxEntries   = 10_000
	maxFileBytes = 100 << 20
	maxAllBytes  = 1 << 30
)

// unzip writes the photos of a zip into dir, without the folder that wraps
// them all. Entries that are no plain files or folders, that point outside dir,
// or that are larger than they say are errors.
func unzip(zipped, dir string) error {
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
		name := path.Clean(strings.TrimPrefix(entry.Name, "/"))
		if !filepath.IsLocal(filepath.FromSlash(entry.Name)) || strings.Contains(entry.Name, `\`) {
			return fmt.Errorf("%s: the entry %q points outside its folder", zipped, entry.Name)
		}
		mode := entry.Mode()
		if mode.IsDir() || strings.HasPrefix(name, "__MACOSX/") {
			continue
		}
		if !mode.IsRegular() {
			return fmt.Errorf("%s: the entry %q is no plain file", zipped, entry.Name)
		}
		_, inner, wrapped := strings.Cut(name, "/")
		if !wrapped || !strings.Contains(inner, "/") { // a photo lies at least in a class folder
			continue
		}
		if entry.UncompressedSize64 > maxFileBytes {
			return fmt.Errorf("%s: the entry %q has %d bytes, %d are allowed", zipped, entry.Name, entry.UncompressedSize64, int64(maxFileBytes))
		}
		if total += int64(entry.UncompressedSize64); total > maxAllBytes {
			return fmt.Errorf("%s unpacks to more than %d bytes", zipped, int64(maxAllBytes))
		}
		if err := unzipEntry(entry, filepath.Join(dir, filepath.FromSlash(inner))); err != nil {
			return fmt.Errorf("%s: %s: %w", zipped, entry.Name, err)
		}
	}
	if total == 0 {
		return fmt.Errorf("%s holds no photos in class folders", zipped)
	}
	return nil
}

func unzipEntry(entry *zip.File, target string) (err error) {
	r, err := entry.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// One byte beyond what the entry declares is enough to know that it lied.
	n, err := io.Copy(f, io.LimitReader(r, int64(entry.UncompressedSize64)+1))
	if err == nil && n != int64(entry.UncompressedSize64) {
		err = fmt.Errorf("%d bytes, where %d are declared", n, entry.UncompressedSize64)
	}
	return err
}
