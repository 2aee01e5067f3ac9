package dataset

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"fx/internal/fail"
)

// scanFolder reads the tree under root and decides which folders are splits and which are classes.
func scanFolder(ctx context.Context, root string, info fs.FileInfo, o Options) (*Dataset, error) {
	w, folder, err := walk(ctx, root, info, o)
	if err != nil {
		return nil, err
	}
	d, err := w.layOut(folder, o)
	if err == nil || fail.BySystem(err) || w.photos > 0 {
		return d, err
	}
	if inside := inFolder(root); len(inside) > 0 {
		return scanArchives(ctx, root, inside, o)
	}
	return d, err
}

// layOut decides which folders of the tree under top are splits and which are classes.
func (w *walker) layOut(folder *folder, o Options) (*Dataset, error) {
	root := w.root
	x, err := w.expand(folder, 1)
	if err != nil {
		return nil, err
	}
	if w.photos = x.root.photos; w.photos == 0 {
		return nil, noPhotos(x.root, w.skipped)
	}
	if o.Unlabelled {
		return w.unlabelled(folder)
	}
	folders := withPhotos(x.root.dirs)
	if len(folders) == 0 {
		return nil, photosInRoot(x.root)
	}
	level, err := levelOf(root, folders)
	if err != nil {
		return nil, err
	}
	if level.splits && x.pruned { // the classes are a level deeper, and a folder counts once in each
		if x, err = w.expand(folder, 2); err != nil {
			return nil, err
		}
	}
	d := &Dataset{Root: root, Notes: level.notes}
	for _, p := range slices.Concat(folder.photos, folder.empty) {
		w.skip(filepath.Join(root, p.name), "lies beside the class folders, so it has no class")
	}
	if level.splits {
		x.root.dirs = slices.DeleteFunc(x.root.dirs, func(n *node) bool { return w.leaveOutFlat(n, level.flat) })
		err = d.addSplits(w, x.root.dirs, o)
	} else {
		d.Splits = []string{""}
		d.Classes = d.addClasses(w, "", x.root.dirs, nil)
	}
	if err != nil {
		return nil, err
	}
	if err := d.checkClasses(x.root, level.splits, o); err != nil {
		return nil, err
	}
	d.Skipped = append(w.skipped, x.skipped...)
	d.Notes = append(append(d.Notes, x.notes()...), w.outside(len(d.Items))...)
	return d, nil
}

// level describes the folders below the root.
type level struct {
	splits bool     // else they are classes
	flat   []string // names of folders beside the splits that contain photos without a class
	notes  []string
}

// levelOf decides what the folders with photos are.
func levelOf(root string, folders []*node) (level, error) {
	var direct, onlyDeep, both []string
	for _, f := range folders {
		switch {
		case !f.direct():
			onlyDeep = append(onlyDeep, f.name)
		case f.deep() && customary(f.name):
			both = append(both, f.name)
		default:
			direct = append(direct, f.name)
		}
	}
	all := func(names []string, test func(string) bool) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !test(name) })
	}
	unusual := func(name string) bool { return !customary(name) }
	heldOut := func(name string) bool { return customary(name) && named([]string{name}, trainNames) == "" }
	switch {
	case len(both) > 0:
		return level{}, fail.New(fail.Usage, "Move the photos that lie directly in it into its class folders.",
			"%s/ in %s holds photos beside folders of photos: it is neither a split nor a class", both[0], root)
	case len(direct) == 0:
		return level{splits: true}, nil
	case len(onlyDeep) == 0 && all(direct, customary):
		return level{}, fail.New(fail.Usage, layouts,
			"the photos in %s lie in no class folders: %s/1.jpg would have to be %s/CLASS/1.jpg",
			enumerate(direct, "/"), direct[0], direct[0])
	case len(onlyDeep) == 0:
		l := level{}
		for _, name := range direct {
			if heldOut(name) {
				l.notes = append(l.notes, fmt.Sprintf(
					"%s/ counts as a class, since it lies beside class folders: move it away if it is none", name))
			}
		}
		return l, nil
	case slices.ContainsFunc(onlyDeep, customary) && all(direct, heldOut):
		return level{splits: true, flat: direct}, nil
	case all(direct, unusual) && all(onlyDeep, unusual):
		return level{notes: []string{inFolders(onlyDeep)}}, nil
	}
	return level{}, fail.New(fail.Usage, layouts,
		"cannot tell splits from classes in %s: %s with photos directly inside, but %s with folders of photos",
		root, enumerate(direct, "/"), enumerate(onlyDeep, "/"))
}

// inFolders returns the note about classes all of whose photos are in sub-folders.
func inFolders(classes []string) string {
	return fmt.Sprintf("each of %s counts as one class with all that is in it, though its photos lie in folders of "+
		"their own",
		enumerate(classes, "/"))
}

// leaveOutFlat skips n if its photos have no class.
func (w *walker) leaveOutFlat(n *node, flat []string) bool {
	if !slices.Contains(flat, n.name) {
		return false
	}
	w.skip(n.path, fmt.Sprintf("its %d photo%s lie%s in no class folders; `fx predict --model MODEL %s` classifies "+
		"them",
		n.photos, plural(n.photos), verbEnding(n.photos), n.path))
	return true
}

// addSplits adds every folder as a split. Splits must have the same classes: torchvision numbers the classes of each
// split by itself, so a class that is missing in one of them would shift the labels of that split.
func (d *Dataset) addSplits(w *walker, folders []*node, o Options) error {
	present := map[string]bool{} // classes with a photo in any split, usable or not
	directly, called := false, true
	for _, s := range withPhotos(folders) {
		called = called && customary(s.name)
		for _, c := range s.dirs {
			if c.holdsPhotos() {
				present[c.name] = true
			}
			directly = directly || c.direct()
		}
	}
	if !directly && !called {
		return tooHigh(d.Root, withPhotos(folders))
	}
	d.Classes = sortedKeys(present)
	if !directly {
		d.Notes = append(d.Notes, inFolders(d.Classes))
	}
	for _, s := range folders {
		if s.photos == 0 {
			w.skip(s.path, empty(s))
			continue
		}
		found := d.addClasses(w, s.name, s.dirs, present)
		if lacking := without(d.Classes, found); len(lacking) > 0 && !o.ByName {
			return lackingClasses(d.Root, s.name, lacking, found, called)
		}
		d.Splits = append(d.Splits, s.name)
	}
	sort.Strings(d.Splits)
	return nil
}

// addClasses adds every folder as a class of the split, and returns the names of the classes found. A folder without
// photos is a class only if keep has its name, because another split has photos of it.
func (d *Dataset) addClasses(w *walker, split string, folders []*node, keep map[string]bool) []string {
	var names []string
	for _, c := range folders {
		if c.photos == 0 {
			w.skip(c.path, empty(c))
		}
		if c.holdsPhotos() || keep[c.name] {
			names = append(names, c.name)
		}
	}
	sort.Strings(names)
	number := map[string]int{}
	all := d.Classes
	if all == nil {
		all = names
	}
	for i, n := range all {
		number[n] = i
	}
	for _, c := range folders {
		d.addPhotos(w, c, split, c.name, number[c.name])
	}
	return names
}

func (d *Dataset) addPhotos(w *walker, n *node, split, class string, label int) {
	item := func(p photo) Item {
		path := filepath.Join(n.path, p.name)
		if p.at != nil {
			path = p.at.String()
		}
		rel := joinRel(n.rel, p.name)
		if strings.HasSuffix(path, rel) {
			rel = path[len(path)-len(rel):] // the same memory
		}
		return Item{
			Path: path, Rel: rel, Split: split, Class: class, Label: label,
			Size: p.size, ModTime: p.time, Inode: p.inode, At: p.at,
		}
	}
	for _, p := range n.of.photos {
		d.Items = append(d.Items, item(p))
		if p.outside {
			w.beyond++
		}
	}
	for _, p := range n.of.empty {
		d.Refused = append(d.Refused, Refused{item(p), EmptyFile})
	}
	for _, sub := range n.dirs {
		d.addPhotos(w, sub, split, class, label)
	}
}

// unlabelled returns all photos below folder as one class.
func (w *walker) unlabelled(folder *folder) (*Dataset, error) {
	x, err := w.expand(folder, 0)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Root: w.root, Classes: []string{UnlabelledClass}, Splits: []string{""}}
	d.addPhotos(w, x.root, "", UnlabelledClass, 0)
	d.Skipped, d.Notes = append(w.skipped, x.skipped...), w.outside(len(d.Items))
	return d, nil
}

// outside returns the note about photos outside of the root.
func (w *walker) outside(photos int) []string {
	if w.beyond == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d of the %d photos lie%s outside of %s, behind links (--no-follow-links leaves them "+
		"out)",
		w.beyond, photos, verbEnding(w.beyond), w.root)}
}

func withPhotos(nodes []*node) []*node {
	var some []*node
	for _, n := range nodes {
		if n.photos > 0 {
			some = append(some, n)
		}
	}
	return some
}

// without returns the members of all that are not in some.
func without(all, some []string) []string {
	have := map[string]bool{}
	for _, s := range some {
		have[s] = true
	}
	var lacking []string
	for _, s := range all {
		if !have[s] {
			lacking = append(lacking, s)
		}
	}
	return lacking
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// verbEnding returns the ending of a verb whose subject is n things.
func verbEnding(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}
