package sampledata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/fetch"
	"fx/internal/filehash"
	"fx/internal/lockfile"
	"fx/internal/progress"
)

// archive is the zip of the tutorial's photos.
type archive struct {
	url    string
	sha256 string // "" if it is unknown
	bytes  int64  // 0 if it is unknown
}

// official is ants and bees, 244 for training and 153 for validation. Source:
// pytorch/tutorials, .jenkins/download_data.py, which pins this SHA-256.
var official = archive{
	url:    "https://download.pytorch.org/tutorial/hymenoptera_data.zip",
	sha256: "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209",
	bytes:  47286322,
}

// Names of the archive, and of the folder unpacked from it, in a lock.
const (
	archiveInput = "photos/" + officialName + ".zip"
	folderInput  = "photos/" + officialName
)

// wanted returns the archive to download: the lock's if it names one.
func (o Options) wanted() (a archive, locked bool, err error) {
	a = official
	if o.archive != nil {
		a = *o.archive
	}
	in, locked, err := o.Lock.Want(archiveInput)
	if err != nil || !locked {
		return a, locked, err
	}
	if a.sha256 != "" && a.sha256 != in.SHA256 {
		return a, true, fail.Wrap(fail.Model, lockfile.ErrHeld,
			"Name photos with --data, or remove the entry from the lock.",
			"the lock names %s with SHA-256 %s, but the tutorial's archive has %s", in.File, in.SHA256, a.sha256)
	}
	a.sha256, a.bytes = in.SHA256, in.Bytes
	return a, true, nil
}

// checkFirstUse returns an error if a folder in fx's cache has changed since its first use.
func (f *Found) checkFirstUse(ctx context.Context, dir string,
	report progress.Reporter) (sum string, bytes int64, err error) {
	sum, bytes, err = folderSHA256(ctx, dir)
	var seen fetch.Seen
	if err == nil {
		seen, err = fetch.Record(fetch.Entry{Name: filepath.Base(dir), SHA256: sum, Bytes: bytes, From: dir})
	}
	if ctx.Err() != nil {
		return "", 0, ctx.Err()
	}
	if err != nil && !fetch.Unwritable(err) {
		return "", 0, fail.Wrap(fail.Model, err, fmt.Sprintf("Remove %s: the next run makes it again. Name your "+
			"own photos with --data.", dir),
			"the photos in fx's cache have changed")
	}
	f.note(report, fmt.Sprintf("the photos in %s: %s", dir, seen.Say(sum)))
	return sum, bytes, nil
}

// hold checks the folder that was unpacked into fx's cache against its first use and the lock, and adds it to the
// inputs, with its archive.
func (f *Found) hold(ctx context.Context, lock lockfile.Lock, dir string, report progress.Reporter) error {
	sum, size, err := f.checkFirstUse(ctx, dir, report)
	if err != nil {
		return err
	}
	inputs := []lockfile.Input{{Name: folderInput, File: officialName, SHA256: sum, Bytes: size, Path: dir}}
	if zip, err := fetch.Lookup(officialName + ".zip"); err == nil {
		inputs = append(inputs,
			lockfile.Input{Name: archiveInput, File: zip.Name, SHA256: zip.SHA256, Bytes: zip.Bytes, Path: dir})
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, in := range inputs {
		if err := lock.Check(in); err != nil {
			return err
		}
	}
	f.Inputs = inputs
	return nil
}

// folderSHA256 returns the hash of a folder's files: the SHA-256 of the output of sha256sum, sorted by name, without
// hidden files, which file managers leave. bytes is the size of all files.
func folderSHA256(ctx context.Context, dir string) (sum string, bytes int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = root.Close() }() // only read from
	var names []string
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			if !entry.Type().IsRegular() {
				return fmt.Errorf("%s is not a file", filepath.Join(dir, name))
			}
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return "", 0, err
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		sum, size, err := filehash.RememberedSum(ctx, filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return "", 0, err
		}
		bytes += size
		fmt.Fprintf(h, "%s  %s\n", sum, name)
	}
	return hex.EncodeToString(h.Sum(nil)), bytes, nil
}
