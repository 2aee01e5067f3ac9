package dataset

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/source"
)

// Unlabelled are photos without a class.
type Unlabelled struct {
	Items   []Item // without Split, Class and Label; one of size 0 must not be opened
	Skipped []Skipped
	Notes   []string // as in Dataset
}

// Photos finds the photos that paths name: files, and all photos in folders at any depth, in the order of the names,
// and in archives. A
// named file counts as a photo whatever its extension, even if it does not exist: the error follows when it is read. A
// folder without a photo is an error of kind fail.Usage.
func Photos(ctx context.Context, paths []string, o Options) (Unlabelled, error) {
	var found Unlabelled
	paths, err := expandPatterns(paths)
	if err != nil {
		return found, err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if source.IsBucket(path) || err == nil && info.Mode().IsRegular() && source.IsArchive(path) {
			if err := found.addArchive(ctx, path, o); err != nil {
				return Unlabelled{}, err
			}
			continue
		}
		if err == nil && info.IsDir() {
			if err := found.addFolder(ctx, path, info, o); err != nil {
				return Unlabelled{}, err
			}
			continue
		}
		if source.IsAddress(path) {
			at, err := source.NewAddress(path)
			if err != nil {
				return found, fail.Wrap(fail.Usage, err, "Write it as https://HOST/PHOTO.", "an address to classify")
			}
			found.Items = append(found.Items, Item{Path: at.String(), Rel: at.Rel(), Size: -1, At: at})
			continue
		}
		item := Item{Path: path, Rel: filepath.ToSlash(path), Size: -1}
		if err == nil && info.Mode().IsRegular() {
			item.Size, item.ModTime, item.Inode = info.Size(), info.ModTime(), idOf(info).inode
		}
		found.Items = append(found.Items, item)
	}
	return found, nil
}

// addArchive adds the photos in an archive, in its order.
func (u *Unlabelled) addArchive(ctx context.Context, path string, o Options) error {
	o.anyName, o.Unlabelled = true, true
	a, err := listArchives(ctx, path, []string{path}, o)
	if err != nil {
		return err
	}
	for i := range a.photos {
		item := a.item(&a.photos[i], "", "")
		u.Items = append(u.Items, item)
	}
	u.Skipped = append(u.Skipped, a.skipped...)
	return nil
}

func (u *Unlabelled) addFolder(ctx context.Context, path string, info os.FileInfo, o Options) error {
	o.anyName = true // the results are only shown, never stored
	w, folder, err := walk(ctx, path, info, o)
	if err != nil {
		return err
	}
	x, err := w.expand(folder, 0)
	if err != nil {
		return err
	}
	if x.root.photos == 0 {
		inside := inFolder(path)
		for _, archive := range inside {
			if err := u.addArchive(ctx, archive, o); err != nil {
				return err
			}
		}
		if len(inside) > 0 {
			return nil
		}
		return noPhotos(x.root, w.skipped)
	}
	d := &Dataset{}
	d.addPhotos(w, x.root, "", "", 0)
	items := d.Found()
	slices.SortFunc(items, func(a, b Item) int { return byComponents(a.Rel, b.Rel) })
	skipped := append(w.skipped, x.skipped...)
	slices.SortFunc(skipped, func(a, b Skipped) int { return strings.Compare(a.Path, b.Path) })
	u.Items, u.Skipped = append(u.Items, items...), append(u.Skipped, skipped...)
	u.Notes = append(u.Notes, w.outside(len(d.Items))...)
	return nil
}

// byComponents compares slash-separated paths in the order of filepath.WalkDir.
func byComponents(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		default:
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}
