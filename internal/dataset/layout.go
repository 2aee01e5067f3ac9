package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"fx/internal/fail"
)

// customary are names that people give to splits and hardly ever to classes.
var customary = map[string]bool{
	"train": true, "training": true, "val": true, "valid": true, "validation": true,
	"test": true, "testing": true, "eval": true,
}

// scanFolder reads the tree under root and decides which folders are splits and which are classes.
func scanFolder(ctx context.Context, root string, extensions map[string]bool) (*Dataset, error) {
	w := &walker{ctx: ctx, extensions: extensions}
	info, err := os.Stat(root)
	if err != nil {
		return nil, missing(root, err)
	}
	top := &node{path: root}
	if err := w.walk(top, []fileID{idOf(info)}); err != nil {
		return nil, err
	}
	if top.total == 0 {
		return nil, noPhotos(top, w.skipped)
	}
	folders := withPhotos(top.dirs)
	if len(folders) == 0 {
		return nil, photosInRoot(top)
	}
	for _, p := range top.photos {
		w.skip(p.Path, "lies beside the class folders, so it has no class")
	}
	splits, err := splitLevel(root, folders)
	if err != nil {
		return nil, err
	}
	d := &Dataset{Root: root}
	if splits {
		err = d.addSplits(w, top.dirs)
	} else {
		d.Splits = []string{""}
		d.Classes = d.addClasses(w, "", top.dirs, nil)
	}
	if err != nil {
		return nil, err
	}
	d.Skipped = w.skipped
	return d, d.checkClasses(top, splits)
}

// splitLevel tells whether the folders are splits (true) or classes (false).
func splitLevel(root string, folders []*node) (bool, error) {
	var direct, onlyDeep, both []string
	for _, f := range folders {
		switch {
		case !f.direct():
			onlyDeep = append(onlyDeep, f.name)
		case f.deep() && customary[strings.ToLower(f.name)]:
			both = append(both, f.name)
		default:
			direct = append(direct, f.name)
		}
	}
	switch {
	case len(both) > 0:
		return false, fail.New(fail.Usage, "Move the photos that lie directly in it into its class folders.",
			"%s/ in %s holds photos beside folders of photos: it is neither a split nor a class", both[0], root)
	case len(direct) > 0 && len(onlyDeep) > 0:
		return false, fail.New(fail.Usage, layouts,
			"cannot tell splits from classes in %s: %s with photos directly inside, but %s with folders of photos",
			root, enumerate(direct, "/"), enumerate(onlyDeep, "/"))
	}
	return len(onlyDeep) > 0, nil
}

// addSplits takes every folder as a split. Splits must agree on the classes:
// torchvision numbers the classes of each split for itself, so a class that is
// missing in one of them would shift the labels of that split alone.
func (d *Dataset) addSplits(w *walker, folders []*node) error {
	named := map[string]bool{} // classes with a photo in any split
	directly := false
	for _, s := range folders {
		for _, c := range withPhotos(s.dirs) {
			named[c.name] = true
			directly = directly || c.direct()
		}
	}
	if !directly {
		return tooHigh(d.Root, withPhotos(folders))
	}
	d.Classes = sortedKeys(named)
	for _, s := range folders {
		if s.total == 0 {
			w.skip(s.path, "%s", empty(s))
			continue
		}
		found := d.addClasses(w, s.name, s.dirs, named)
		if lacking := without(d.Classes, found); len(lacking) > 0 {
			return fail.New(fail.Usage,
				"Give every split the same class folders, or move the split away; a class without photos in a split keeps an empty folder there.",
				"split %s/ in %s has no folder %s, which another split has", s.name, d.Root, enumerate(lacking, "/"))
		}
		d.Splits = append(d.Splits, s.name)
	}
	sort.Strings(d.Splits)
	return nil
}

// addClasses takes every folder as a class of the split, and returns the
// names of the classes found. A folder without photos is a class only where
// keep has its name: another split has photos of it.
func (d *Dataset) addClasses(w *walker, split string, folders []*node, keep map[string]bool) []string {
	var names []string
	for _, c := range folders {
		if c.total == 0 {
			w.skip(c.path, "%s", empty(c))
		}
		if c.total > 0 || keep[c.name] {
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
		d.addPhotos(c, split, c.name, number[c.name])
	}
	return names
}

func (d *Dataset) addPhotos(n *node, split, class string, label int) {
	for _, p := range n.photos {
		p.Split, p.Class, p.Label = split, class, label
		d.Items = append(d.Items, p)
	}
	for _, sub := range n.dirs {
		d.addPhotos(sub, split, class, label)
	}
}

// checkClasses refuses fewer than two classes.
func (d *Dataset) checkClasses(top *node, splits bool) error {
	if len(d.Classes) > 1 {
		return nil
	}
	where := ""
	if splits {
		where = fmt.Sprintf(" (read as the split%s %s)", plural(len(d.Splits)), enumerate(d.Splits, "/"))
	}
	var left []string
	for _, n := range top.dirs {
		if n.total == 0 {
			left = append(left, n.name+"/: "+empty(n))
		}
	}
	also := ""
	if len(left) > 0 {
		also = "; left out: " + enumerate(left, "")
	}
	return fail.New(fail.Usage, layouts, "only one class in %s: %s%s%s", d.Root, d.Classes[0], where, also)
}

// empty is the reason for a folder without photos.
func empty(n *node) string {
	if n.files == 0 {
		return "no photo in it"
	}
	return fmt.Sprintf("no photo in it: %d other file%s", n.files, plural(n.files))
}

func noPhotos(top *node, skipped []Skipped) error {
	if top.files == 0 {
		return fail.New(fail.Usage, layouts, "%s is empty: no photo in it or in its folders", top.path)
	}
	count := map[string]int{}
	for _, s := range skipped {
		if e := strings.ToLower(filepath.Ext(s.Path)); e != "" && !strings.HasPrefix(filepath.Base(s.Path), ".") {
			count[e]++
		}
	}
	var kinds []string
	for _, e := range sortedKeys(count) {
		kinds = append(kinds, fmt.Sprintf("%d × %s", count[e], e))
	}
	found := ""
	if len(kinds) > 0 {
		found = " (" + enumerate(kinds, "") + ")"
	}
	return fail.New(fail.Usage, "Photos end in "+strings.Join(DefaultExtensions, " ")+"; --extensions adds more.",
		"no photo in %s: %d other file%s%s", top.path, top.files, plural(top.files), found)
}

func photosInRoot(top *node) error {
	hint := layouts
	if parent := filepath.Dir(filepath.Clean(top.path)); parent != filepath.Clean(top.path) && parent != "." {
		hint = fmt.Sprintf("If %s is itself one class, give the folder above it: %s. %s", filepath.Base(top.path), parent, layouts)
	}
	return fail.New(fail.Usage, hint, "%d photo%s directly in %s, so there is no class to learn",
		len(top.photos), plural(len(top.photos)), top.path)
}

func tooHigh(root string, folders []*node) error {
	hint := layouts
	if len(folders) == 1 {
		hint = fmt.Sprintf("Perhaps you mean %s. %s", folders[0].path, layouts)
	}
	return fail.New(fail.Usage, hint, "the photos in %s lie a level too deep: %s/… holds folders of folders of photos",
		root, folders[0].name)
}

func withPhotos(nodes []*node) []*node {
	var some []*node
	for _, n := range nodes {
		if n.total > 0 {
			some = append(some, n)
		}
	}
	return some
}

// without returns what is in all but not in some.
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
