package nativelib

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/filehash"
	"fx/internal/progress"
	"fx/internal/wheel"
)

// fromPackages fetches the Python packages of the build with pip or uv and takes their libraries. NVIDIA's packages
// must be the same as at their first use. If it could not fetch them, a *wheel.Error is in the chain.
func (i installation) fromPackages(ctx context.Context) (record, error) {
	build := i.expected.build
	fetched := filepath.Join(i.staging, "fetched")
	for _, dir := range []string{fetched, i.unpacked} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return record{}, fail.Wrap(fail.Device, err, "", "%s", dir)
		}
	}
	task := i.report.Begin("fetching "+build.requirement(), 0, "packages")
	request := wheel.Request{Requirement: build.requirement(), Dependencies: build == gpuBuild, Target: target(build)}
	got, err := wheel.Fetch(ctx, request, fetched)
	task.End()
	if err != nil {
		return record{}, explainFetch(err)
	}
	r := record{Requirement: build.requirement(), FetchedBy: got.Tool, Packages: []recordedFile{}}
	if got.Site != "" {
		err = r.takeSite(ctx, got.Site, i.unpacked)
	}
	for _, path := range got.Wheels {
		if err = r.takeWheel(ctx, path, i.unpacked, i.report); err != nil {
			break
		}
	}
	if err != nil {
		return record{}, fail.Wrap(fail.Device, err, cmp.Or(fail.HintOf(err), byHand), "unpacking")
	}
	_, err = i.verify(ctx, &r, false)
	return r, err
}

// takeWheel unpacks a wheel and removes it, because the GPU's are large: there are never two copies of all.
func (r *record) takeWheel(ctx context.Context, path, unpacked string, report progress.Reporter) error {
	if ofInterest(packageOf(path)) {
		sum, size, err := filehash.Sum(ctx, path)
		if err != nil {
			return err
		}
		if err := r.add(recordedFile{Name: filepath.Base(path), Bytes: size, SHA256: sum}); err != nil {
			return err
		}
		if err := unpackZip(ctx, path, packageOf(path), unpacked, report); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	return os.Remove(path)
}

// ofInterest reports whether a package is ONNX Runtime's or NVIDIA's. Nothing is taken from their other dependencies.
func ofInterest(name string) bool {
	return strings.HasPrefix(name, "onnxruntime") || strings.HasPrefix(name, "nvidia")
}

// add records a package. NVIDIA's must be the same as at its first use on this
// machine; ONNX Runtime's libraries have pinned hashes instead.
func (r *record) add(p recordedFile) error {
	r.Packages = append(r.Packages, p)
	if !strings.HasPrefix(p.Name, "nvidia") {
		return nil
	}
	_, err := fetch.Record(fetch.Entry{Name: p.Name, SHA256: p.SHA256, Bytes: p.Bytes, From: r.FetchedBy})
	return err
}

// takeSite copies the libraries of unpacked packages. There are no wheels to hash, so a package's hash is that of the
// list of its libraries and their hashes.
func (r *record) takeSite(ctx context.Context, site, unpacked string) error {
	lists, err := filepath.Glob(filepath.Join(site, "*.dist-info", "RECORD"))
	if err != nil {
		return err
	}
	for _, list := range lists {
		name := strings.TrimSuffix(filepath.Base(filepath.Dir(list)), ".dist-info")
		if !ofInterest(name) {
			continue
		}
		sum, size, err := hashListed(ctx, site, list)
		if err != nil {
			return err
		}
		if err := r.add(recordedFile{Name: name, Bytes: size, SHA256: sum}); err != nil {
			return err
		}
	}
	return takeUnpacked(ctx, site, unpacked)
}

// hashListed hashes the libraries that a RECORD lists, a CSV file of an installed package's paths below site.
func hashListed(ctx context.Context, site, list string) (sum string, size int64, err error) {
	f, err := os.Open(list)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }() // only read
	rows := csv.NewReader(f)
	rows.FieldsPerRecord = -1
	all, err := rows.ReadAll()
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", list, err)
	}
	h := sha256.New()
	for _, row := range all {
		if placeInCache(row[0]) == "" || !filepath.IsLocal(filepath.FromSlash(row[0])) {
			continue
		}
		fileSum, fileSize, err := filehash.Sum(ctx, filepath.Join(site, filepath.FromSlash(row[0])))
		if err != nil {
			return "", 0, err
		}
		size += fileSize
		fmt.Fprintf(h, "%s  %s\n", fileSum, row[0])
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// explainFetch adds a kind and a hint to an error of wheel.Fetch.
func explainFetch(err error) error {
	var e *wheel.Error
	if !errors.As(err, &e) {
		return fail.Wrap(fail.Device, err, byHand, "")
	}
	switch e.Reason {
	case wheel.NoAnswer:
		return fail.Wrap(fail.Device, err, downloadHint, "")
	case wheel.DiskFull:
		return fail.Wrap(fail.DiskFull, err, "Free some space, or set FX_CACHE_DIR and TMPDIR to a larger disk.", "")
	}
	return fail.Wrap(fail.Device, err, byHand, "")
}

// system returns the operating system and the architecture, such as "linux/amd64".
func system() string { return runtime.GOOS + "/" + runtime.GOARCH }
