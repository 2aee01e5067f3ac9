package dataset

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"fx/internal/fail"
)

// node is one folder with everything below it.
type node struct {
	name, path, rel string // rel is "" for the root, else slash-separated
	photos          []Item // directly in it; only Path, Rel and the file's facts are set
	dirs            []*node
	total           int  // photos at any depth
	files           int  // files at any depth that are no photos
	badName         bool // not valid UTF-8
}

// direct tells whether photos lie directly in the folder.
func (n *node) direct() bool { return len(n.photos) > 0 }

// deep tells whether photos lie in folders below the folder.
func (n *node) deep() bool { return n.total > len(n.photos) }

// walker reads a tree of folders, following links to folders.
type walker struct {
	ctx        context.Context
	extensions map[string]bool
	skipped    []Skipped
}

func (w *walker) skip(path, reason string, args ...any) {
	w.skipped = append(w.skipped, Skipped{Path: path, Reason: fmt.Sprintf(reason, args...)})
}

// fileID names a folder whatever path leads to it.
type fileID struct{ device, inode uint64 }

func idOf(info fs.FileInfo) fileID {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{uint64(s.Dev), uint64(s.Ino)}
	}
	return fileID{}
}

// walk fills n from its folder. Parents are the folders above it, by which a
// link that leads back up is known.
func (w *walker) walk(n *node, parents []fileID) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(n.path)
	if err != nil {
		// Going on without it would look like a folder whose photos are gone.
		return fail.Wrap(fail.Usage, err, "Make the folder readable, or move it out of the data.", "cannot list %s", n.path)
	}
	for _, e := range entries {
		if err := w.entry(n, e, parents); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(n *node, e fs.DirEntry, parents []fileID) error {
	name := e.Name()
	path := filepath.Join(n.path, name)
	if hidden(name) {
		w.skip(path, "hidden")
		return nil
	}
	info, err := e.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if info, err = os.Stat(path); err != nil && fail.AboutFile(err) {
			w.skip(path, "a link that leads to nothing")
			return nil
		}
	}
	if err != nil && !fail.AboutFile(err) {
		return fail.Wrap(fail.System, err, "", "cannot examine %s", path)
	}
	if err != nil { // removed since it was listed
		w.skip(path, "gone while the folder was read")
		return nil
	}
	if info.IsDir() {
		return w.folder(n, name, path, info, parents)
	}
	n.files++
	if !w.extensions[strings.ToLower(filepath.Ext(name))] {
		w.skip(path, "%s", foreign(filepath.Ext(name)))
	} else if !utf8.ValidString(name) {
		w.skip(path, "the name %s is not valid UTF-8: rename it", strconv.Quote(name))
	} else if !info.Mode().IsRegular() {
		w.skip(path, "no regular file")
	} else {
		n.files--
		n.total++
		n.photos = append(n.photos, Item{
			Path: path, Rel: joinRel(n.rel, name),
			Size: info.Size(), ModTime: info.ModTime(), Inode: idOf(info).inode,
		})
	}
	return nil
}

func (w *walker) folder(n *node, name, path string, info fs.FileInfo, parents []fileID) error {
	id := idOf(info)
	for _, p := range parents {
		if p == id {
			w.skip(path, "a link to a folder above it")
			return nil
		}
	}
	child := &node{name: name, path: path, rel: joinRel(n.rel, name), badName: !utf8.ValidString(name)}
	if err := w.walk(child, append(parents[:len(parents):len(parents)], id)); err != nil {
		return err
	}
	if child.badName && child.total > 0 {
		return fail.New(fail.Usage, "Rename the folder.", "the name of folder %s is not valid UTF-8", strconv.Quote(path))
	}
	n.dirs = append(n.dirs, child)
	n.total += child.total
	n.files += child.files
	return nil
}

func joinRel(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// hidden tells names that no one means as data.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }

// foreign is the reason for a name without one of the extensions.
func foreign(extension string) string {
	if extension == "" {
		return "the name has no extension"
	}
	return fmt.Sprintf("extension %s (--extensions %[1]s adds it)", extension)
}
