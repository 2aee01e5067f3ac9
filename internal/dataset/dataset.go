package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"fx/internal/fail"
	"fx/internal/source"
)

// Item is one labelled photo.
type Item struct {
	Path    string        // of the file; for a photo elsewhere the name for messages, as by At
	Rel     string        // slash-separated, relative to the root: train/ants/x.jpg; always valid UTF-8
	Split   string        // "" if the root has no splits
	Class   string        // Classes[Label]
	Label   int           // 0 to len(Classes)-1
	Size    int64         // bytes, or -1 if a listed file could not be examined
	ModTime time.Time     // zero if a listed file could not be examined
	Inode   uint64        // of the file behind any link; 0 if unknown
	At      source.Source // of a photo that is no file of its own; else nil
}

// Source returns where the photo's bytes are.
func (i *Item) Source() source.Source {
	if i.At != nil {
		return i.At
	}
	return source.File(i.Path)
}

// ReadingOrder orders items of one dataset as they lie in archives, so that these are read from front to back. It
// returns 0 for all others.
func ReadingOrder(a, b *Item) int {
	if a.At == nil || b.At == nil {
		return 0
	}
	return source.Compare(a.At, b.At)
}

// Refused is a photo that is unusable whatever its content, so it must not be opened.
type Refused struct {
	Item
	Reason string
}

// Skipped is a file or folder that is no item, with the reason.
type Skipped struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Dataset is the result of Scan.
type Dataset struct {
	Root    string
	Classes []string // sorted; a label is an index into it
	Splits  []string // sorted; [""] if the root contains only classes
	Items   []Item   // sorted by split, class, folder and name
	Refused []Refused
	Skipped []Skipped
	Notes   []string // sentences that the user should read, for example about photos outside of Root
}

// Options of Scan. The zero value suits most callers.
type Options struct {
	// Extensions of photos in addition to torchvision's, such as "gif" or ".heic".
	Extensions []string
	// NoFollowLinks ignores what is behind links below the root, for trees from strangers. The root itself may be a
	// link.
	NoFollowLinks bool
	// ByName is for photos whose classes are compared by name with those of a MODEL: one class is enough, and splits
	// may have different classes.
	ByName bool
	// Unlabelled takes all photos at any depth as one class, UnlabelledClass, for their features alone.
	Unlabelled bool

	// anyName accepts names that are not UTF-8, which no store can contain.
	anyName bool
}

// imageFolderExtensions are those of torchvision's ImageFolder (torchvision.datasets.folder.IMG_EXTENSIONS), compared
// case-insensitively.
var imageFolderExtensions = []string{".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}

// layouts is the hint of errors about the layout of a folder.
const layouts = "Give a folder that holds one folder of photos per class, or train/ and val/ with such folders in each."

// Scan finds the photos under root: a folder, a .csv list, a tar or zip archive, or a pattern of the names of archives
// (see doc.go). The error for a wrong layout is of kind fail.Usage and
// says what was found and what is expected.
func Scan(ctx context.Context, root string, options Options) (*Dataset, error) {
	paths, err := expandPattern(root)
	if err != nil {
		return nil, err
	}
	var info fs.FileInfo
	if !source.IsBucket(paths[0]) {
		if info, err = os.Stat(paths[0]); err != nil {
			return nil, missing(root, err)
		}
	}
	var d *Dataset
	switch {
	case len(paths) > 1 || info == nil || !info.IsDir() && source.IsArchive(paths[0]):
		d, err = scanArchives(ctx, root, paths, options)
	case info.IsDir():
		d, err = scanFolder(ctx, root, info, options)
	case IsList(root):
		d, err = readList(ctx, root, options)
	default:
		return nil, fail.New(fail.Usage, layouts+" A list ends in .csv, an archive in .tar, .zip, .parquet or .arrow.",
			"%s is a file, not a folder", root)
	}
	if err != nil {
		return nil, err
	}
	sort.SliceStable(d.Items, func(i, j int) bool { return before(&d.Items[i], &d.Items[j]) })
	sort.SliceStable(d.Refused, func(i, j int) bool { return before(&d.Refused[i].Item, &d.Refused[j].Item) })
	sort.SliceStable(d.Skipped, func(i, j int) bool { return d.Skipped[i].Path < d.Skipped[j].Path })
	return d, nil
}

// before is torchvision's order: classes sorted, then sorted(os.walk(class)), which compares whole folder paths, then
// the names in each folder.
func before(a, b *Item) bool {
	if a.Split != b.Split {
		return a.Split < b.Split
	}
	if a.Label != b.Label {
		return a.Label < b.Label
	}
	aDir, aName := splitRel(a.Rel)
	bDir, bName := splitRel(b.Rel)
	if aDir != bDir {
		return aDir < bDir
	}
	return aName < bName
}

// Found returns the items and the refused photos, in the order of Items.
func (d *Dataset) Found() []Item {
	if len(d.Refused) == 0 {
		return d.Items
	}
	all := slices.Clone(d.Items)
	for _, r := range d.Refused {
		all = append(all, r.Item)
	}
	sort.SliceStable(all, func(i, j int) bool { return before(&all[i], &all[j]) })
	return all
}

func splitRel(rel string) (dir, name string) {
	cut := strings.LastIndexByte(rel, '/')
	return rel[:max(cut, 0)], rel[cut+1:]
}

// missing returns the error for a root that can't be examined. It names the nearest parent that can.
func missing(root string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return fail.Wrap(fail.Usage, err, "Make it readable, or name another folder.", "cannot examine %s", root)
	}
	parent, absErr := filepath.Abs(root)
	if absErr != nil {
		return fail.Wrap(fail.Usage, err, layouts, "no folder %s", root)
	}
	for parent != filepath.Dir(parent) {
		parent = filepath.Dir(parent)
		if info, err := os.Stat(parent); err == nil && !info.IsDir() {
			return fail.New(fail.Usage, layouts, "no folder %s: %s is a file", root, parent)
		} else if err == nil {
			break
		}
	}
	return fail.New(fail.Usage, layouts, "no folder %s: the nearest that exists is %s%s", root, parent, holding(parent))
}

// holding lists the first sub-folders of dir for a message.
func holding(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !hidden(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return ", which holds no folder"
	}
	return ", which holds " + enumerate(names, "/")
}

// enumerate joins the first few names, each with the suffix.
func enumerate(names []string, suffix string) string {
	const most = 6
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(n + suffix)
	}
	return b.String()
}

func extensionSet(extra []string) map[string]bool {
	set := map[string]bool{}
	for _, e := range imageFolderExtensions {
		set[e] = true
	}
	for _, e := range extra {
		if e = strings.ToLower(strings.TrimSpace(e)); e != "" && e != "." {
			set["."+strings.TrimPrefix(e, ".")] = true
		}
	}
	return set
}
