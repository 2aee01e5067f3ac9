package nativelib

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/paths"
	"fx/internal/userfile"
)

// recordName is the file that lists the content of an installed folder.
const recordName = "installed.json"

// recordFormat grows when readers of the old format would misread the new one.
const recordFormat = 1

// record is what Install writes beside the libraries. It is written last, so a folder with a record is complete.
type record struct {
	FormatVersion int            `json:"format_version"`
	Requirement   string         `json:"requirement"` // what was requested, in pip's syntax, or a file's name
	FetchedBy     string         `json:"fetched_by"`  // "pip", "uv", "apt-get", "fx"
	Packages      []recordedFile `json:"packages"`    // what was fetched
	Files         []recordedFile `json:"files"`       // what was unpacked, by slash path
	// HeldTo is what ONNX Runtime's libraries were compared with, "" in records of earlier versions.
	HeldTo Trust  `json:"held_to,omitempty"`
	Given  string `json:"given_sha256,omitempty"` // the main library's, if the user gave it
}

type recordedFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

func readRecord(dir string) (record, error) {
	var r record
	text, err := userfile.ReadJSON(filepath.Join(dir, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("there is no %s: %w", recordName, fs.ErrNotExist)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", recordName, err)
	}
	if r.FormatVersion != recordFormat {
		return r, fmt.Errorf("%s has format %d, but this fx reads %d", recordName, r.FormatVersion, recordFormat)
	}
	return r, nil
}

// Installation is a build of ONNX Runtime in fx's cache.
type Installation struct {
	Folder      string
	Requirement string // what was requested, in pip's syntax, or a file's name
	Problem     error  // nil, or what is wrong; its hint has the command that repairs it
}

// Installations returns the builds of this version in fx's cache, and compares each of their files with its recorded
// SHA-256.
func Installations(ctx context.Context) []Installation {
	root, err := paths.Cache("runtime")
	if err != nil {
		return nil
	}
	var all []Installation
	for _, build := range []flavour{cpuBuild, gpuBuild} {
		dir := filepath.Join(root, build.folder())
		record, err := readRecord(dir)
		if err != nil {
			continue
		}
		problem := fail.Wrap(fail.Device, record.verify(ctx, dir), "Run `"+build.installCommand()+"`.", "")
		all = append(all, Installation{Folder: dir, Requirement: record.Requirement, Problem: problem})
	}
	return all
}

// hash lists the files in dir with their hashes, and syncs them.
func (r *record) hash(ctx context.Context, dir string) error {
	r.Files = nil
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return durable.SyncDir(path)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		sum, size, err := filehash.Sum(ctx, path)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, recordedFile{Name: filepath.ToSlash(rel), Bytes: size, SHA256: sum})
		return nil
	})
}

// write writes the record into dir.
func (r *record) write(dir string) error {
	r.FormatVersion = recordFormat
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteBytes(filepath.Join(dir, recordName), append(text, '\n'))
}

// verify hashes every file of the record.
func (r *record) verify(ctx context.Context, dir string) error {
	if len(r.Files) == 0 {
		return errors.New(recordName + " names no files")
	}
	for _, f := range r.Files {
		path := filepath.FromSlash(f.Name)
		if !filepath.IsLocal(path) {
			return fmt.Errorf("%s names %s", recordName, f.Name)
		}
		sum, size, err := filehash.Sum(ctx, filepath.Join(dir, path))
		if err != nil {
			return fmt.Errorf("%s: %s", f.Name, plainReason(err))
		}
		if size != f.Bytes || f.SHA256 != "" && sum != f.SHA256 {
			return fmt.Errorf("%s is not what was installed", f.Name)
		}
	}
	return nil
}

// sha256Of returns the recorded hash of a file, which may be "", and whether the record lists the file.
func (r *record) sha256Of(dir, path string) (sum string, known bool) {
	i := slices.IndexFunc(r.Files, func(f recordedFile) bool {
		return strings.EqualFold(filepath.Join(dir, filepath.FromSlash(f.Name)), path)
	})
	if i < 0 {
		return "", false
	}
	return r.Files[i].SHA256, true
}

// sums returns the recorded hashes by the files' slash paths.
func (r *record) sums() map[string]string {
	all := make(map[string]string, len(r.Files))
	for _, f := range r.Files {
		all[f.Name] = f.SHA256
	}
	return all
}
