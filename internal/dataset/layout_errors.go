package dataset

import (
	"fmt"
	"path/filepath"
	"strings"

	"fx/internal/fail"
)

// checkClasses returns an error for fewer than two classes, and for two whose names look the same.
func (d *Dataset) checkClasses(top *node, splits bool, o Options) error {
	if err := checkSpelling(d.Classes, d.Root); err != nil {
		return err
	}
	if len(d.Classes) > 1 || o.ByName {
		return nil
	}
	where := ""
	if splits {
		where = fmt.Sprintf(" (read as the split%s %s)", plural(len(d.Splits)), enumerate(d.Splits, "/"))
	}
	var left []string
	for _, n := range top.dirs {
		if n.photos == 0 {
			left = append(left, n.name+"/: "+empty(n))
		}
	}
	also := ""
	if len(left) > 0 {
		also = "; left out: " + enumerate(left, "")
	}
	return fail.New(fail.Usage, layouts+classesInFolders(d.Splits, splits),
		"only one class in %s: %s%s%s", d.Root, d.Classes[0], where, also)
}

// empty returns the reason for a folder without usable photos.
func empty(n *node) string {
	switch {
	case n.unusable > 0:
		return fmt.Sprintf("no usable photo in it: %d file%s", n.files(), plural(n.files()))
	case n.others > 0:
		return fmt.Sprintf("no photo in it: %d other file%s", n.others, plural(n.others))
	}
	return "no photo in it"
}

func noPhotos(top *node, skipped []Skipped) error {
	if empty := top.firstEmpty(); empty != "" {
		return fail.New(fail.Rejected, "Copy the photos again.",
			"no photo in %s can be used: %s is of %s", top.path, empty, EmptyFile)
	}
	if top.files() == 0 {
		return fail.New(fail.Usage, layouts, "%s is empty: no photo in it or in its folders", top.path)
	}
	count := map[string]int{}
	for _, s := range skipped {
		if e := strings.ToLower(filepath.Ext(s.Path)); e != "" && !strings.HasPrefix(filepath.Base(s.Path), ".") {
			count[e]++
		}
	}
	var kinds []string
	extensions := sortedKeys(count)
	for _, e := range extensions {
		kinds = append(kinds, fmt.Sprintf("%d × %s", count[e], e))
	}
	found := ""
	if len(kinds) > 0 {
		found = " (" + enumerate(kinds, "") + ")"
	}
	return fail.New(fail.Usage, adviceFor(extensions),
		"no photo in %s: %d other file%s%s", top.path, top.files(), plural(top.files()), found)
}

// firstEmpty returns the path of a photo of 0 bytes at any depth, or "".
func (n *node) firstEmpty() string {
	if len(n.of.empty) > 0 {
		return filepath.Join(n.path, n.of.empty[0].name)
	}
	for _, child := range n.dirs {
		if path := child.firstEmpty(); path != "" {
			return path
		}
	}
	return ""
}

func photosInRoot(top *node) error {
	hint := layouts
	if parent := filepath.Dir(filepath.Clean(top.path)); parent != filepath.Clean(top.path) && parent != "." {
		hint = fmt.Sprintf("If %s is itself one class, give the folder above it: %s. %s", filepath.Base(top.path),
			parent, layouts)
	}
	return fail.New(fail.Usage, hint, "%d photo%s directly in %s, so there is no class to learn",
		len(top.of.photos), plural(len(top.of.photos)), top.path)
}

func tooHigh(root string, folders []*node) error {
	hint := layouts
	if len(folders) == 1 {
		hint = fmt.Sprintf("Perhaps you mean %s. %s", folders[0].path, layouts)
	}
	return fail.New(fail.Usage, hint, "the photos in %s lie a level too deep: %s/… holds folders of folders of photos",
		root, folders[0].name)
}

// lackingClasses returns the error for a split that lacks folders of another split. found are those that it has;
// called reports that all splits have usual names of splits.
func lackingClasses(root, split string, lacking, found []string, called bool) error {
	for _, l := range lacking {
		for _, f := range found {
			if differ := LookAlike(l, f); differ != "" {
				return fail.New(fail.Usage, oneSpelling, "split %s/ in %s has no folder %s/: %s", split, root, l,
					differ)
			}
		}
	}
	hint := "Give every split the same class folders, or move the split away; " +
		"a class without photos in a split keeps an empty folder there."
	if !called {
		hint += classesInFolders([]string{split}, true)
	}
	return fail.New(fail.Usage, hint,
		"split %s/ in %s has no folder %s, which another split has", split, root, enumerate(lacking, "/"))
}

// classesInFolders returns a sentence for the hint if folders that were taken as splits may be classes.
func classesInFolders(splits []string, areSplits bool) string {
	if !areSplits || customary(splits[0]) {
		return ""
	}
	return fmt.Sprintf(" If %s/ is itself a class, put all class folders into a folder train/.", splits[0])
}
