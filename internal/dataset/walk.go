package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"fx/internal/fail"
	"fx/internal/made"
	"fx/internal/source"
)

// EmptyFile is the reason for a file of 0 bytes. Special files of the system, such as /proc/kmsg, claim to be regular
// and empty, and reading them may never end. Such files are therefore not opened.
const EmptyFile = "0 bytes: an empty file, or a special one of the system"

// folder is a folder on disk. It is listed once, whatever the number of paths that lead to it.
type folder struct {
	resolved string // its path without links
	outside  bool   // not at or below the root
	photos   []photo
	empty    []photo // photos of 0 bytes
	links    []entry // folders in it, behind links
	folders  []entry // the others in it
	unusable int     // files directly in it with a photo's extension that can't be a photo, including empty ones
	others   int     // files directly in it with another extension
}

// entry is a folder by its name in another one.
type entry struct {
	name string
	to   *folder
}

// photo is a file that may be a photo.
type photo struct {
	name    string
	size    int64
	time    time.Time
	inode   uint64
	outside bool          // behind a link that leads out of the root
	at      source.Source // as in Item
}

// fileID identifies a file or folder, whatever path leads to it.
type fileID struct {
	device, inode uint64
	path          string // without links; used if there are no inode numbers
}

// linked is a link to a folder that is not listed yet.
type linked struct {
	from *folder
	name string
	rel  string
	info fs.FileInfo // of the folder
}

// walker lists a tree of folders.
type walker struct {
	ctx        context.Context
	extensions map[string]bool
	anyName    bool     // see Options
	root       string   // as given
	resolved   string   // root without links
	inside     *os.Root // root, if no link is to be followed, else nil
	known      map[fileID]*folder
	resolve    map[string]string // folders that links name → their paths without links
	pending    []linked
	skipped    []Skipped
	beyond     int // number of photos outside of the root
	photos     int // below the root
}

// walk lists the tree under root, which is a folder.
func walk(ctx context.Context, root string, info fs.FileInfo, o Options) (*walker, *folder, error) {
	w := &walker{
		ctx: ctx, extensions: extensionSet(o.Extensions), anyName: o.anyName, root: root,
		known: map[fileID]*folder{}, resolve: map[string]string{},
	}
	var err error
	if w.resolved, err = filepath.EvalSymlinks(root); err != nil {
		return nil, nil, missing(root, err)
	}
	if o.NoFollowLinks {
		if w.inside, err = os.OpenRoot(root); err != nil {
			return nil, nil, missing(root, err)
		}
		defer func() { _ = w.inside.Close() }() // only read
	}
	top, err := w.list("", w.resolved, info)
	// Links are followed after all folders are listed, the nearest first. A folder then has its own name, or else the
	// shortest path to it: the system follows only some 40 links in a path.
	for len(w.pending) > 0 && err == nil {
		next := w.pending[0]
		w.pending = w.pending[1:]
		err = w.follow(next)
	}
	return w, top, err
}

// follow lists the folder behind a link.
func (w *walker) follow(l linked) error {
	resolved, err := filepath.EvalSymlinks(filepath.Join(l.from.resolved, l.name))
	if err != nil { // it could be examined before
		w.skip(w.path(l.rel), "gone while the folder was read")
		return nil
	}
	to, err := w.list(l.rel, resolved, l.info)
	if to != nil {
		l.from.links = append(l.from.links, entry{l.name, to})
	}
	return err
}

func (w *walker) skip(path, reason string) {
	w.skipped = append(w.skipped, Skipped{Path: path, Reason: reason})
}

// path returns the path to open for rel, slash-separated and relative to the root.
func (w *walker) path(rel string) string { return filepath.Join(w.root, filepath.FromSlash(rel)) }

// list returns the folder at rel, whose path without links is resolved. It returns nil for a folder below the root
// that fx made, which contains charts and thumbnails instead of the user's photos.
func (w *walker) list(rel, resolved string, info fs.FileInfo) (*folder, error) {
	id := idOf(info)
	if id == (fileID{}) {
		id.path = resolved
	}
	if f, ok := w.known[id]; ok {
		return f, nil
	}
	f := &folder{resolved: resolved, outside: !within(w.resolved, resolved)}
	w.known[id] = f // before its content, because links may lead back to it
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := w.entries(f, rel)
	if err != nil {
		// Without it, the dataset would look as if its photos were gone.
		return nil, unreadable("list", w.path(rel), err)
	}
	if rel != "" {
		what, err := made.By(resolved, entries)
		if err != nil {
			return nil, err
		}
		if what != "" {
			w.known[id] = nil
			w.skip(w.path(rel), what+", which holds no photos to take")
			return nil, nil
		}
	}
	for _, e := range entries {
		if err := w.add(f, rel, e); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// entries lists the folder f at rel, sorted by name.
func (w *walker) entries(f *folder, rel string) ([]fs.DirEntry, error) {
	if w.inside == nil {
		return os.ReadDir(f.resolved)
	}
	if rel == "" {
		rel = "."
	}
	d, err := w.inside.Open(filepath.FromSlash(rel))
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }() // only read
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// info describes an entry of the folder at parent, without following links.
func (w *walker) info(parent string, e fs.DirEntry) (fs.FileInfo, error) {
	if w.inside == nil {
		return e.Info()
	}
	// e.Info would look the path up outside of the os.Root.
	return w.inside.Lstat(filepath.FromSlash(joinRel(parent, e.Name())))
}

// add adds an entry of the folder at parent to f.
func (w *walker) add(f *folder, parent string, e fs.DirEntry) error {
	name := e.Name()
	rel := func() string { return joinRel(parent, name) } // most entries need none
	leaveOut := func(reason string) error { w.leaveOut(f, w.path(rel()), reason); return nil }
	if hidden(name) {
		w.skip(w.path(rel()), "hidden")
		return nil
	}
	info, err := w.info(parent, e)
	isLink := err == nil && info.Mode()&fs.ModeSymlink != 0
	if isLink {
		if w.inside != nil {
			return leaveOut("a link, and --no-follow-links was given")
		}
		info, err = os.Stat(filepath.Join(f.resolved, name))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && isLink:
		return leaveOut("a link that leads to nothing")
	case errors.Is(err, fs.ErrNotExist): // removed since it was listed
		w.skip(w.path(rel()), "gone while the folder was read")
		return nil
	case errors.Is(err, syscall.ELOOP):
		return leaveOut("a link that leads to itself")
	case fail.AboutFile(err):
		return leaveOut("can't be examined: " + cause(err))
	case err != nil:
		return unreadable("examine", w.path(rel()), err)
	case info.IsDir() && isLink:
		w.pending = append(w.pending, linked{f, name, rel(), info})
		return nil
	case info.IsDir():
		to, err := w.list(rel(), filepath.Join(f.resolved, name), info)
		if to != nil {
			f.folders = append(f.folders, entry{name, to})
		}
		return err
	}
	switch extension := filepath.Ext(name); {
	case !w.takes(extension):
		return leaveOut(foreign(extension))
	case !utf8.ValidString(name) && !w.anyName:
		return leaveOut(fmt.Sprintf("the name %s is not valid UTF-8: rename it", strconv.Quote(name)))
	case !info.Mode().IsRegular():
		return leaveOut("no regular file")
	}
	p := photo{name: name, size: info.Size(), time: info.ModTime(), inode: idOf(info).inode}
	if p.size == 0 {
		f.empty = append(f.empty, p)
		f.unusable++
		return nil
	}
	p.outside = f.outside && !isLink || isLink && w.leadsOut(f, name)
	f.photos = append(f.photos, p)
	return nil
}

func (w *walker) takes(extension string) bool { return w.extensions[strings.ToLower(extension)] }

// leaveOut skips a file in f that can't be a photo, whatever its content.
func (w *walker) leaveOut(f *folder, path, reason string) {
	if w.takes(filepath.Ext(path)) {
		f.unusable++
	} else {
		f.others++
	}
	w.skip(path, reason)
}

// leadsOut reports whether the link to a file in f leads out of the root.
func (w *walker) leadsOut(f *folder, name string) bool {
	path := filepath.Join(f.resolved, name)
	target, err := os.Readlink(path)
	if err != nil {
		return false // gone; reading it gives the error
	}
	dir, base := filepath.Split(target)
	if !filepath.IsAbs(dir) { // not joined: that would drop a .. behind a link
		dir = f.resolved + string(filepath.Separator) + dir
	}
	resolved, ok := w.resolve[dir]
	if !ok { // links often lead to the same few folders
		if resolved, err = filepath.EvalSymlinks(dir); err != nil {
			return false
		}
		w.resolve[dir] = resolved
	}
	file := filepath.Join(resolved, base)
	if info, err := os.Lstat(file); err == nil && info.Mode()&fs.ModeSymlink != 0 { // a link to a link
		if file, err = filepath.EvalSymlinks(file); err != nil {
			return false
		}
	}
	return !within(w.resolved, file)
}

// within reports whether path is root or below it. Both are without links.
func within(root, path string) bool {
	rest, below := strings.CutPrefix(path, strings.TrimSuffix(root, string(filepath.Separator)))
	return below && (rest == "" || rest[0] == filepath.Separator)
}

// unreadable returns the error for a folder that can't be listed, or whose content can't be examined.
func unreadable(verb, path string, err error) error {
	if fail.AboutFile(err) {
		return fail.Wrap(fail.Usage, err, "Make the folder readable, or move it out of the data.", "cannot %s %s",
			verb, path)
	}
	return fail.Wrap(fail.System, err,
		"Try again; if it happens again, look at the disk or the network that holds the photos.",
		"cannot %s %s", verb, path)
}

// cause returns the text of an error without the path, which the caller adds.
func cause(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

func joinRel(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// hidden reports whether a name is never meant as data.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }
