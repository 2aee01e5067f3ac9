package dataset

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"fx/internal/fail"
	"fx/internal/source"
)

// archived is a file with a photo's extension in an archive, or one beside it.
type archived struct {
	source.Member
	archive int    // index into archives.paths
	name    string // cleaned, slash-separated
}

// archives are tar and zip archives that are scanned together.
type archives struct {
	*walker          // its root is what the user named, for messages
	paths   []string // of the archives
	splits  []string // of each archive by its name; all "" if one has none
	photos  []archived
	texts   []archived // files whose text may be a label
	short   []string   // see names
}

// scanArchives finds the photos in archives: in the folders of classes and splits that they contain, or with labels
// beside them, as WebDataset has them.
func scanArchives(ctx context.Context, root string, paths []string, o Options) (*Dataset, error) {
	a, err := listArchives(ctx, root, paths, o)
	if err != nil {
		return nil, err
	}
	if o.Unlabelled {
		return a.unlabelled()
	}
	labelled, err := a.label()
	if err != nil {
		return nil, err
	}
	if labelled {
		return a.samples(o)
	}
	if i := slices.IndexFunc(a.photos, func(m archived) bool { return m.Row }); i >= 0 {
		return nil, fail.New(fail.Usage,
			"Give the column the name label, or take the photos without any: --unlabelled.",
			"no column of %s holds labels", a.paths[a.photos[i].archive])
	}
	for i := range a.texts {
		m := &a.texts[i]
		a.skip(a.paths[m.archive]+"/"+m.Name, foreign(path.Ext(m.name)))
	}
	top, err := a.tree()
	if err != nil {
		return nil, err
	}
	return a.walker.layOut(top, o)
}

// listArchives lists the members of all archives.
func listArchives(ctx context.Context, root string, paths []string, o Options) (*archives, error) {
	a := &archives{
		paths:  paths,
		walker: &walker{ctx: ctx, extensions: extensionSet(o.Extensions), anyName: o.anyName, root: root},
	}
	for i, p := range paths {
		if !source.IsArchive(p) {
			return nil, fail.New(fail.Usage, "Archives end in .tar, .zip, .parquet or .arrow.", "%s is no archive", p)
		}
		isText := func(name string) bool { return !o.Unlabelled && isLabel(name) }
		err := source.List(p, isText, func(m source.Member) error {
			a.add(i, m)
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	a.splits = splitsOf(paths)
	if len(a.photos) == 0 {
		return nil, a.noPhotos()
	}
	return a, nil
}

// add adds a member of the archive at a.paths[i].
func (a *archives) add(i int, m source.Member) {
	leaveOut := func(reason string) {
		a.skip(strings.TrimSuffix(a.paths[i], "/")+"/"+strings.ToValidUTF8(m.Name, "\ufffd"), reason)
	}
	name := strings.TrimPrefix(path.Clean("/"+m.Name), "/")
	switch {
	case strings.Contains("/"+m.Name+"/", "/../") || name == "":
		leaveOut("the name leads out of the archive")
	case slices.ContainsFunc(strings.Split(name, "/"), hidden):
		leaveOut("hidden")
	case m.Text != nil:
		a.texts = append(a.texts, archived{m, i, name})
	case !m.Row && !a.takes(path.Ext(name)):
		leaveOut(foreign(path.Ext(name)))
	case !utf8.ValidString(name) && !a.anyName:
		leaveOut(fmt.Sprintf("the name %s is not valid UTF-8: rename it", strconv.Quote(name)))
	case m.Refused != "":
		leaveOut(m.Refused)
	default:
		a.photos = append(a.photos, archived{m, i, name})
	}
}

// noPhotos returns the error for archives without a photo.
func (a *archives) noPhotos() error {
	if len(a.skipped) == 0 {
		return fail.New(fail.Usage, layouts, "no photo in %s", a.root)
	}
	return fail.New(fail.Usage, layouts, "no photo in %s: %s: %s", a.root, a.skipped[0].Path, a.skipped[0].Reason)
}

// splitsOf returns the split of each archive by the first word of its name, as in train-0001.tar, or by its folder's
// name. All are "" if an archive has none.
func splitsOf(paths []string) []string {
	splits := make([]string, len(paths))
	for i, p := range paths {
		base := filepath.Base(p)
		end := strings.IndexFunc(base, func(r rune) bool { return !unicode.IsLetter(r) })
		if word := base[:max(end, 0)]; customary(word) {
			splits[i] = word
		} else if folder := filepath.Base(filepath.Dir(p)); customary(folder) {
			splits[i] = folder
		} else {
			return make([]string, len(paths))
		}
	}
	return splits
}

// tree returns the folders in the archives as one tree. Archives of a split lie in a folder of its name.
func (a *archives) tree() (*folder, error) {
	bySplit := map[string]folders{}
	for i := range a.photos {
		m := &a.photos[i]
		split := a.splits[m.archive]
		if bySplit[split] == nil {
			bySplit[split] = folders{"": &folder{}}
		}
		dir, name := splitRel(m.name)
		in := bySplit[split].at(dir)
		p := photo{name: name, size: m.Size, at: m.At}
		if stat, err := m.At.Stat(); err == nil {
			p.time, p.inode = stat.ModTime, stat.Inode
		}
		if p.size == 0 {
			in.empty = append(in.empty, p)
			in.unusable++
		} else {
			in.photos = append(in.photos, p)
		}
	}
	top := &folder{}
	for _, split := range sortedKeys(bySplit) {
		inner := bySplit[split][""].unwrapped()
		if split == "" {
			top = inner
		} else {
			top.folders = append(top.folders, entry{split, inner})
		}
	}
	return top, top.sort("")
}

// folders are the folders of a tree by their paths, slash-separated; "" is the top.
type folders map[string]*folder

// at returns the folder at dir, which it makes if need be.
func (all folders) at(dir string) *folder {
	if f := all[dir]; f != nil {
		return f
	}
	f := &folder{}
	all[dir] = f
	above, name := splitRel(dir)
	in := all.at(above)
	in.folders = append(in.folders, entry{name, f})
	return f
}

// unwrapped returns the folder that contains the classes or splits: many archives have one folder around all.
func (f *folder) unwrapped() *folder {
	for len(f.folders) == 1 && len(f.photos)+len(f.empty) == 0 {
		only := f.folders[0]
		if customary(only.name) || len(only.to.photos)+len(only.to.empty) > 0 {
			break
		}
		f = only.to
	}
	return f
}

// sort sorts folders and photos by name. A later member of an archive replaces an earlier one of its name, as it does
// when the archive is unpacked; two archives must not have the same.
func (f *folder) sort(rel string) error {
	slices.SortFunc(f.folders, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	slices.SortStableFunc(f.photos, func(a, b photo) int { return strings.Compare(a.name, b.name) })
	kept := f.photos[:0]
	for _, p := range f.photos {
		if n := len(kept); n > 0 && kept[n-1].name == p.name {
			if before, now := source.ArchiveOf(kept[n-1].at), source.ArchiveOf(p.at); before != now {
				return fail.New(fail.Usage, "Name one of the archives, or pack the photos under different names.",
					"%s is in %s and in %s", joinRel(rel, p.name), before, now)
			}
			kept[n-1] = p
			continue
		}
		kept = append(kept, p)
	}
	f.photos = kept
	for _, e := range f.folders {
		if err := e.to.sort(joinRel(rel, e.name)); err != nil {
			return err
		}
	}
	return nil
}

// unlabelled returns all photos as one class.
func (a *archives) unlabelled() (*Dataset, error) {
	d := &Dataset{Root: a.root, Classes: []string{UnlabelledClass}, Splits: []string{""}, Skipped: a.skipped}
	for i := range a.photos {
		d.addSample(a.item(&a.photos[i], UnlabelledClass, ""))
	}
	return d, d.uniqueNames()
}

// item returns the Item of a photo whose name is unique in its archive only.
func (a *archives) item(m *archived, class, split string) Item {
	item := Item{
		Path: m.At.String(), Rel: a.names()[m.archive] + "/" + m.name, Split: split, Class: class,
		Size: m.Size, At: m.At,
	}
	if stat, err := m.At.Stat(); err == nil {
		item.ModTime, item.Inode = stat.ModTime, stat.Inode
	}
	return item
}

// inFolder returns the archives in the folder dir, or in those of its folders that are called as splits: none if there
// are no archives.
func inFolder(dir string) []string {
	var all []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		switch at := filepath.Join(dir, e.Name()); {
		case hidden(e.Name()):
		case e.IsDir() && customary(e.Name()):
			inside, _ := os.ReadDir(at) // what can't be listed was an error before
			for _, e := range inside {
				if !e.IsDir() && !hidden(e.Name()) && source.IsArchive(e.Name()) {
					all = append(all, filepath.Join(at, e.Name()))
				}
			}
		case !e.IsDir() && source.IsArchive(e.Name()):
			all = append(all, at)
		}
	}
	return all
}
