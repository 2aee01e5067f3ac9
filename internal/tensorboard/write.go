package tensorboard

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fx/internal/durable"
)

// Log is the training that an event file records.
type Log struct {
	Start    time.Time
	Settings map[string]any // numbers, truth values and text; anything else as fmt prints it
	Points   []Point        // in the order of time
	End      time.Time      // zero while the training goes on
}

// Point holds the values measured at one time.
type Point struct {
	Step    int64
	Time    time.Time
	Scalars []Scalar
}

// Scalar is one number, which TensorBoard keeps as float32. Tags with a slash are grouped by the part before it.
type Scalar struct {
	Tag   string
	Value float64
}

// Encode returns the log as the content of an event file. The same log gives
// the same bytes, and a log with more points begins with those of the shorter one.
func Encode(l Log) []byte {
	file := appendRecord(nil, versionEvent(l.Start))
	if len(l.Settings) > 0 {
		file = appendRecord(file, startEvent(l.Start, l.Settings))
	}
	for _, p := range l.Points {
		file = appendRecord(file, scalarsEvent(p))
	}
	if !l.End.IsZero() {
		file = appendRecord(file, endEvent(l.End))
	}
	return file
}

// FileName returns the name of the event file of a log that starts then. It has "fx" in place of the host name of
// other writers; by this Write recognises its files.
func FileName(start time.Time) string {
	return fmt.Sprintf("events.out.tfevents.%010d.fx", start.Unix())
}

// Write writes the event file of the log into dir, and removes other event files that Write made.
//
// If the log begins with the file's bytes, Write appends the rest, because a running TensorBoard keeps the file open
// and would not notice its replacement. A record that a kill cut off looks to TensorBoard like one that is still being
// written; the next Write completes it.
func Write(dir string, l Log) error {
	path, content := filepath.Join(dir, FileName(l.Start)), Encode(l)
	if err := remove(dir, filepath.Base(path)); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return durable.WriteBytes(path, content) // replaces a link or a pipe
	}
	had, err := durable.ReadFile(path)
	switch {
	case err == nil && len(had) > 0 && bytes.HasPrefix(content, had):
		return appendFile(path, content[len(had):])
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return durable.WriteBytes(path, content)
}

// Replace is Write as part of a Replacement of files of dir. It always writes a new event file, because the training
// is a new one.
func Replace(r *durable.Replacement, dir string, l Log) error {
	name := FileName(l.Start)
	earlier, err := ownFiles(dir, name)
	if err != nil {
		return err
	}
	for _, file := range earlier {
		if err := r.Remove(file); err != nil {
			return err
		}
	}
	return r.Write(name, func(path string) error { return durable.WriteBytes(path, Encode(l)) })
}

// own is the pattern of the names that FileName returns.
const own = "events.out.tfevents.*.fx"

// isOwn reports whether a file is an event file of this package, or a temporary file of one.
func isOwn(name string) bool {
	pattern := own
	if durable.IsTemporary(name) {
		pattern += ".*"
	}
	matches, _ := filepath.Match(pattern, name) // the pattern is valid
	return matches
}

// remove removes the files of this package except keep.
func remove(dir, keep string) error {
	files, err := ownFiles(dir, keep)
	for _, name := range files {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return err
}

// ownFiles lists the files of this package except but.
func ownFiles(dir, but string) (names []string, err error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, f := range files {
		if isOwn(f.Name()) && f.Name() != but {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

func appendFile(path string, rest []byte) error {
	if len(rest) == 0 {
		return nil
	}
	f, err := durable.OpenAppend(path)
	if err != nil {
		return err
	}
	_, err = f.Write(rest)
	return errors.Join(err, f.Sync(), f.Close())
}
