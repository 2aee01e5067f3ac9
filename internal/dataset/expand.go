package dataset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"unicode/utf8"

	"fx/internal/fail"
)

// maxAgain bounds the number of folders and photos that links lead to a second time. Folders that link to each other
// multiply with their number. Tests lower it.
var maxAgain = 1 << 20

// node is a folder under one of the paths that lead to it.
type node struct {
	name, rel string // rel is "" for the root, else slash-separated
	path      string
	of        *folder
	dirs      []*node
	photos    int // at any depth
	unusable  int // files at any depth with a photo's extension that can't be a photo
	others    int // other files at any depth
}

// direct reports whether the folder contains photos directly.
func (n *node) direct() bool { return len(n.of.photos) > 0 }

// deep reports whether folders below the folder contain photos.
func (n *node) deep() bool { return n.photos > len(n.of.photos) }

// holdsPhotos reports whether the folder contains photos at any depth, usable or not.
func (n *node) holdsPhotos() bool { return n.photos+n.unusable > 0 }

// files counts the files that are no usable photos.
func (n *node) files() int { return n.unusable + n.others }

// expansion converts the folders on disk to the tree of their names. A folder that several paths lead to counts once
// within a class.
type expansion struct {
	root    *node
	depth   int // of the folders that are classes: 1 below the root, 2 in splits, 0 if everything is one class
	skipped []Skipped
	pruned  bool     // a folder was left out because its class contains it already
	shared  []string // sentences on the first few folders whose photos count twice
	sharing int      // such folders

	seen    map[*folder]string // the path under which it was first found
	told    map[string]bool    // links that were reported, by their paths without links
	pending []branch
	again   int
}

// branch is a folder behind a link, to be added to n.
type branch struct {
	in    *node
	entry entry
	above []*folder          // the folder of in and its parents
	class map[*folder]string // the folders of the class around in, by path; nil above the classes
}

// expand returns the tree under top. depth is the level of the classes: a folder counts once below each folder of that
// level.
func (w *walker) expand(top *folder, depth int) (*expansion, error) {
	x := &expansion{depth: depth, seen: map[*folder]string{}, told: map[string]bool{}}
	x.root = &node{path: w.root, of: top}
	var class map[*folder]string
	if depth == 0 {
		class = map[*folder]string{}
	}
	err := x.fill(w, x.root, []*folder{top}, class)
	for len(x.pending) > 0 && err == nil { // as in walk
		next := x.pending[0]
		x.pending = x.pending[1:]
		err = x.add(w, next)
	}
	if err == nil {
		err = x.root.count()
	}
	return x, err
}

// fill adds the folders in n. Those behind links are added later.
func (x *expansion) fill(w *walker, n *node, above []*folder, class map[*folder]string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	for _, e := range n.of.folders {
		if err := x.add(w, branch{n, e, above, class}); err != nil {
			return err
		}
	}
	for _, e := range n.of.links {
		x.pending = append(x.pending, branch{n, e, above, class})
	}
	return nil
}

func (x *expansion) add(w *walker, b branch) error {
	n, e, class := b.in, b.entry, b.class
	child := &node{name: e.name, rel: joinRel(n.rel, e.name), of: e.to}
	child.path = w.path(child.rel)
	if slices.Contains(b.above, e.to) {
		x.skip(n, e, child.path, "a link to a folder above it")
		return nil
	}
	if first, taken := class[e.to]; taken {
		x.pruned = true
		x.skip(n, e, child.path, fmt.Sprintf("the same folder as %s/, which counts once in its class", first))
		return nil
	}
	if first, known := x.seen[e.to]; known {
		x.again += 1 + len(e.to.photos)
		if x.again > maxAgain {
			return fail.New(fail.Usage, "Remove links to folders, or leave all links out with --no-follow-links.",
				"links in %s lead to more than %d folders and photos a second time, such as %s/ and %s/",
				w.root, maxAgain, first, child.rel)
		}
		if len(e.to.photos) > 0 {
			x.share(first, child)
		}
	} else {
		x.seen[e.to] = child.rel
	}
	if len(b.above) == x.depth {
		class = map[*folder]string{}
	}
	if class != nil {
		class[e.to] = child.rel
	}
	n.dirs = append(n.dirs, child)
	return x.fill(w, child, append(slices.Clone(b.above), e.to), class)
}

// count sets the numbers of files in n at any depth.
func (n *node) count() error {
	n.photos, n.unusable, n.others = len(n.of.photos), n.of.unusable, n.of.others
	for _, child := range n.dirs {
		if err := child.count(); err != nil {
			return err
		}
		if !utf8.ValidString(child.name) && child.photos > 0 {
			return fail.New(fail.Usage, "Rename the folder.",
				"the name of folder %s is not valid UTF-8", strconv.Quote(child.path))
		}
		n.photos += child.photos
		n.unusable += child.unusable
		n.others += child.others
	}
	return nil
}

// skip reports a link once, whatever the number of paths that lead to it.
func (x *expansion) skip(n *node, e entry, path, reason string) {
	link := filepath.Join(n.of.resolved, e.name)
	if !x.told[link] {
		x.told[link] = true
		x.skipped = append(x.skipped, Skipped{Path: path, Reason: reason})
	}
}

// share notes that the folder n was found before, in another class or split.
func (x *expansion) share(first string, n *node) {
	const most = 3
	if x.sharing++; x.sharing <= most {
		photos := len(n.of.photos)
		x.shared = append(x.shared, fmt.Sprintf("%s/ and %s/ are the same folder: its %d photo%s count%s in both",
			first, n.rel, photos, plural(photos), verbEnding(photos)))
	}
}

// notes returns the notes about folders that count twice.
func (x *expansion) notes() []string {
	if more := x.sharing - len(x.shared); more > 0 {
		return append(x.shared, fmt.Sprintf("%d more folders count in two classes or splits", more))
	}
	return x.shared
}
