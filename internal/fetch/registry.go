package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"fx/internal/durable"
	"fx/internal/fail"
	"fx/internal/filehash"
	"fx/internal/paths"
	"fx/internal/userfile"
)

// Entry is the registry's record of a file at its first use.
type Entry struct {
	Version int    `json:"version"`
	Name    string `json:"name"` // of the official file, such as resnet18-f37072fd.pth; of a hub's, hub.Repo.EntryName
	SHA256  string `json:"sha256"`
	Bytes   int64  `json:"bytes"`
	From    string `json:"from"` // its source at first use: an address or a path
	// older entries lack it: Lookup takes the time at which they were written
	FirstSeen time.Time `json:"first_seen,omitzero"`
}

// Seen is when this machine first saw a file with its SHA-256.
type Seen struct {
	Here  bool // first seen just now
	Since time.Time
}

// Say describes the first use of a file with that SHA-256.
func (s Seen) Say(sha256 string) string {
	switch {
	case s.Here:
		return "first seen here: SHA-256 " + sha256
	case s.Since.IsZero(): // nothing can be recorded
		return "SHA-256 " + sha256
	}
	return fmt.Sprintf("SHA-256 %s, as first seen on %s", sha256, s.Since.Local().Format(time.DateOnly))
}

// Unwritable reports whether Record failed because the cache is read-only, which is no reason to refuse a file.
func Unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

const entryVersion = 1

// Record writes the entry of a file at its first use. Later it returns ErrDigest, with a hint, for any other file.
func Record(e Entry) (Seen, error) {
	path, err := entryPath(e.Name)
	if err != nil {
		return Seen{}, err
	}
	if known, err := Lookup(e.Name); !errors.Is(err, fs.ErrNotExist) {
		return known.compare(e, path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return Seen{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.",
			"recording the SHA-256 of %s", e.Name)
	}
	unlock, err := durable.WaitLock(context.Background(), filepath.Join(filepath.Dir(path), ".lock"), func() {})
	if err != nil {
		return Seen{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.",
			"recording the SHA-256 of %s", e.Name)
	}
	defer unlock()
	if known, err := Lookup(e.Name); !errors.Is(err, fs.ErrNotExist) { // another process wrote it
		return known.compare(e, path, err)
	}
	if err := durable.RemoveStaleOf(path); err != nil {
		return Seen{}, fail.Wrap(fail.Other, err, "", "recording the SHA-256 of %s", e.Name)
	}
	e.Version, e.FirstSeen = entryVersion, time.Now().UTC().Truncate(time.Second)
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return Seen{}, err
	}
	err = durable.WriteBytes(path, append(text, '\n'))
	return Seen{Here: true, Since: e.FirstSeen}, fail.Wrap(fail.Other, err, "", "recording the SHA-256 of %s", e.Name)
}

// RecordChecked is Record for a file whose content is checked. A known file must have its SHA-256 before check may open
// it, and a new one is recorded only if check finds nothing wrong.
func RecordChecked(e Entry, check func() error) (Seen, error) {
	if _, err := Lookup(e.Name); errors.Is(err, fs.ErrNotExist) {
		if err := check(); err != nil {
			return Seen{}, err
		}
		return Record(e)
	}
	seen, err := Record(e)
	if err != nil {
		return Seen{}, err
	}
	return seen, check()
}

// compare returns an error if e is not the file that was recorded in the entry at path.
func (known Entry) compare(e Entry, path string, err error) (Seen, error) {
	if err == nil && known.SHA256 != e.SHA256 {
		return Seen{}, fail.Wrap(fail.Other, ErrDigest,
			fmt.Sprintf("The file should never change. Remove the changed file and run again; if you trust it, "+
				"delete %s.", path),
			"%s (from %s) has SHA-256 %s, but at its first use (from %s) it had %s", e.Name, e.From, e.SHA256,
			known.From, known.SHA256)
	}
	return Seen{Since: known.FirstSeen}, err
}

// Lookup returns the entry of a file, or fs.ErrNotExist before its first use.
func Lookup(name string) (Entry, error) {
	path, err := entryPath(name)
	if err != nil {
		return Entry{}, err
	}
	text, err := userfile.ReadJSON(path)
	if err != nil {
		return Entry{}, err
	}
	var format struct{ Version int }
	if err := json.Unmarshal(text, &format); err == nil && format.Version != entryVersion {
		return Entry{}, fail.New(fail.Other, "Use the newer fx that wrote it, or set FX_CACHE_DIR to another folder.",
			"%s has format version %d; this fx reads version %d", path, format.Version, entryVersion)
	}
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil || e.Name != name || !filehash.IsSHA256(e.SHA256) {
		return Entry{}, fail.New(fail.Other, fmt.Sprintf("Delete %s: the next use of the file writes it again.", path),
			"%s is damaged", path)
	}
	if info, err := os.Stat(path); err == nil && e.FirstSeen.IsZero() {
		e.FirstSeen = info.ModTime()
	}
	return e, nil
}

func entryPath(name string) (string, error) {
	if name != filepath.Base(name) || name == "." || name == ".." || name == "" {
		return "", fail.New(fail.Other, "", "%q is no file name", name)
	}
	return paths.Cache("registry", name+".json")
}
