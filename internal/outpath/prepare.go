package outpath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fx/internal/fail"
)

// Target is a file or folder that a command is about to write.
type Target struct {
	Kind   Kind
	Path   string
	Photos string   // folder of photos that a folder must lie outside of, and a file outside of its classes; "" for none
	Inputs []string // files that the command reads and must not replace
	Nested bool     // the folder lies within another Target: a link in its place would lead out of it
}

// Kind is a Folder or a File.
type Kind interface {
	// check refuses what is not allowed even with --force.
	check(Target) error
	// allow refuses what --force allows.
	allow(Target) error
	// tidy removes what ended processes left.
	tidy(Target) error
}

// The hints of a refusal.
const (
	another   = "Choose another --out."
	orForce   = "Choose another --out, or write there all the same with --force."
	beside    = "Name a place beside the photos' folder with --out; --force writes there all the same."
	removeIt  = "Remove it, or choose another --out."
	otherFile = "Choose another --out, or replace the file with --force."
)

// Prepare tells whether the command may write the targets, and removes the
// temporary files that ended processes left of them. force stands for the
// user's --force. A refusal is of kind fail.Usage; then nothing was touched.
func Prepare(force bool, targets ...Target) error {
	for _, t := range targets {
		if err := t.Kind.check(t); err != nil {
			return err
		}
		if force {
			continue
		}
		if err := t.Kind.allow(t); err != nil {
			return err
		}
	}
	for _, t := range targets {
		if err := t.Kind.tidy(t); err != nil {
			return fail.Wrap(fail.KindOf(err), err, "Remove it by hand.", "clear up what an earlier run left of %s", t.Path)
		}
	}
	return nil
}

// notALink refuses a link where fx makes a folder of its own.
func notALink(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fail.New(fail.Usage, removeIt, "%s is a link", path)
	}
	return nil
}

// stat is os.Stat, but for a link to nothing, which is refused.
func stat(path string) (info fs.FileInfo, there bool, err error) {
	info, err = os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return info, err == nil, fail.Wrap(fail.Usage, err, another, "--out")
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, false, fail.New(fail.Usage, removeIt, "%s is a link to nothing", path)
	}
	return nil, false, nil
}

// inside tells whether path, which need not be there, lies within the folder dir
// or is dir, whatever links lead to either.
func inside(path, dir string) bool {
	target, err := os.Stat(dir)
	if err != nil || !target.IsDir() {
		return false
	}
	for place := nearest(path); ; place = filepath.Dir(place) {
		if info, err := os.Stat(place); err == nil && os.SameFile(info, target) {
			return true
		}
		if place == filepath.Dir(place) {
			return false
		}
	}
}

// nearest is the deepest folder above path, or path itself, that is there, as an
// absolute path without links.
func nearest(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path // only without a working directory
	}
	for {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		if path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// How far classes that are links are looked for: splits are few, and a class may
// hold a million photos.
const (
	maxSplits  = 16
	maxClasses = 4096
)

// inPhotos tells whether path lies within the folder of photos, or within a
// class that is a link in it. The error is the system's.
func inPhotos(path, photos string) (bool, error) {
	if photos == "" {
		return false, nil
	}
	if inside(path, photos) {
		return true, nil
	}
	below, err := os.ReadDir(photos)
	if fail.BySystem(err) {
		return false, fail.Wrap(fail.KindOf(err), err, "", "look whether --out lies among the photos")
	}
	if err != nil {
		return false, nil // whoever reads the photos says so
	}
	folders := 0
	for _, e := range below {
		name := filepath.Join(photos, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			if inside(path, name) {
				return true, nil
			}
		case e.IsDir():
			folders++
		}
	}
	if folders > maxSplits {
		return false, nil
	}
	for _, e := range below {
		if !e.IsDir() {
			continue
		}
		split := filepath.Join(photos, e.Name())
		classes, err := first(split, maxClasses)
		if fail.BySystem(err) {
			return false, fail.Wrap(fail.KindOf(err), err, "", "look whether --out lies among the photos")
		}
		for _, c := range classes { // what can't be read is no place to write either
			if c.Type()&fs.ModeSymlink != 0 && inside(path, filepath.Join(split, c.Name())) {
				return true, nil
			}
		}
	}
	return false, nil
}

// first returns so many of a folder's entries at most, in no order.
func first(dir string, n int) ([]fs.DirEntry, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }() // only read
	return d.ReadDir(n)
}
