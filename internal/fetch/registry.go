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

// Entry is what the registry in fx's cache knows of a file since its first use.
type Entry struct {
	Version   int       `json:"version"`
	Name      string    `json:"name"` // of the official file, such as resnet18-f37072fd.pth
	SHA256    string    `json:"sha256"`
	Bytes     int64     `json:"bytes"`
	From      string    `json:"from"`                // where it came from at first use: an address or a path
	FirstSeen time.Time `json:"first_seen,omitzero"` // older entries lack it: Lookup takes the time at which they were written
}

// Seen says since when this machine knows a file with the SHA-256 that it has.
type Seen struct {
	Here  bool // for the first time, just now
	Since time.Time
}

// Say puts into words what is known of a file with that SHA-256.
func (s Seen) Say(sha256 string) string {
	switch {
	case s.Here:
		return "first seen here: SHA-256 " + sha256
	case s.Since.IsZero(): // where nothing can be recorded
		return "SHA-256 " + sha256
	}
	return fmt.Sprintf("SHA-256 %s, as first seen on %s", sha256, s.Since.Local().Format(time.DateOnly))
}

// Unwritable tells whether Record failed since the cache may not be written to,
// which is no reason to refuse a file.
func Unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

const entryVersion = 1

// Record writes the entry of a file at its first use, and afterwards demands
// that the file is still the same: else the error is ErrDigest, with a hint.
func Record(e Entry) (Seen, error) {
	path, err := entryPath(e.Name)
	if err != nil {
		return Seen{}, err
	}
	if known, err := Lookup(e.Name); !errors.Is(err, fs.ErrNotExist) {
		return known.compare(e, path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return Seen{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.", "recording the SHA-256 of %s", e.Name)
	}
	unlock, err := durable.WaitLock(context.Background(), filepath.Join(filepath.Dir(path), ".lock"), func() {})
	if err != nil {
		return Seen{}, fail.Wrap(fail.Other, err, "Set FX_CACHE_DIR to a folder that fx may write.", "recording the SHA-256 of %s", e.Name)
	}
	defer unlock()
	if known, err := Lookup(e.Name); !errors.Is(err, fs.ErrNotExist) { // another process was faster
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

// compare demands that e is the file that was recorded in the entry at path.
func (known Entry) compare(e Entry, path string, err error) (Seen, error) {
	if err == nil && known.SHA256 != e.SHA256 {
		return Seen{}, fail.Wrap(fail.Other, ErrDigest,
			fmt.Sprintf("Nobody should have changed it. Remove the changed file and run again; if you trust it, delete %s.", path),
			"%s (from %s) has SHA-256 %s, and at its first use (from %s) it had %s", e.Name, e.From, e.SHA256, known.From, known.SHA256)
	}
	return Seen{Since: known.FirstSeen}, err
}

// Lookup returns the entry of a file. The error is fs.ErrNotExist before its first use.
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
			"%s has format version %d, and this fx knows version %d", path, format.Version, entryVersion)
	}
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil || e.Name != name || !filehash.IsSHA256(e.SHA256) {
		return Entry{}, fail.New(fail.Other, fmt.Sprintf("Delete %s: it is written anew at the next use of the file.", path), "%s is damaged", path)
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
