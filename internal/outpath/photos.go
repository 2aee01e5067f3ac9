package outpath

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/dataset"
	"fx/internal/fail"
)

// besidePhotos refuses an output in the folder dir, which need not be there,
// where that lies among the photos: a folder would be taken for a class, a
// picture for a photo.
func (t Target) besidePhotos(dir string) error {
	if t.Nested {
		return nil // it lies where the Target around it lies
	}
	photos := ""
	if t.Photos != "" {
		photos = placeOf(dir).among(t.Photos)
	} else {
		photos = placeOf(filepath.Dir(t.Path)).amongClasses()
	}
	if photos == "" {
		return nil
	}
	return fail.New(fail.Usage, beside, "--out %s lies inside the photos' folder %s", t.Path, photos)
}

// Among returns the folder of the photos that dir lies in, "" for none. dir need not be
// there; photos is a folder or a list.
func Among(dir, photos string) string { return placeOf(dir).among(photos) }

// place is a folder: its path without links, and those above it.
type place struct {
	path string
	up   []fs.FileInfo // from path to the root
}

func placeOf(dir string) place {
	p := place{path: nearest(dir)}
	for at := p.path; ; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil {
			p.up = append(p.up, info)
		}
		if at == filepath.Dir(at) {
			return p
		}
	}
}

// inside tells whether the place is dir or lies in it, whatever links lead to either.
func (p place) inside(dir string) bool {
	target, err := os.Stat(dir)
	if err != nil || !target.IsDir() {
		return false
	}
	for _, info := range p.up {
		if os.SameFile(info, target) {
			return true
		}
	}
	return false
}

// How far classes that are links are looked for: splits are few, and a class may
// hold a million photos.
const (
	maxSplits  = 16
	maxClasses = 4096
)

// among returns the folder of the photos that the place lies in, "" for none:
// photos, a class that is a link in it, or a folder of a photo that the list
// photos names.
func (p place) among(photos string) string {
	if p.inside(photos) {
		return photos
	}
	if info, err := os.Stat(photos); err == nil && info.Mode().IsRegular() && dataset.IsList(photos) {
		listed, _ := dataset.ListedFolders(photos) // whoever reads the photos tells what is wrong with the list
		return p.first(listed)
	}
	below, err := os.ReadDir(photos)
	if err != nil {
		return ""
	}
	var links []string
	folders := 0
	for _, e := range below {
		if e.Type()&fs.ModeSymlink != 0 {
			links = append(links, filepath.Join(photos, e.Name()))
		} else if e.IsDir() {
			folders++
		}
	}
	for _, e := range below {
		if !e.IsDir() || folders > maxSplits {
			continue
		}
		split := filepath.Join(photos, e.Name())
		for _, c := range some(split, maxClasses) {
			if c.Type()&fs.ModeSymlink != 0 {
				links = append(links, filepath.Join(split, c.Name()))
			}
		}
	}
	return p.first(links)
}

// first returns the first of the folders that the place lies in, or "".
func (p place) first(folders []string) string {
	for _, folder := range folders {
		if p.inside(folder) {
			return folder
		}
	}
	return ""
}

// amongClasses is among for a command that knows no photos: it returns the folder,
// at most three above the place, whose folders are classes or splits of photos.
func (p place) amongClasses() string {
	dir := p.path
	for range 4 {
		if dir == filepath.Dir(dir) {
			return ""
		}
		if isTree(dir, isClass) || isTree(dir, func(split string) bool { return isTree(split, isClass) }) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// isTree tells whether dir holds two folders or more, all of them as is says.
// Files beside them, such as a licence, do not count.
func isTree(dir string, is func(folder string) bool) bool {
	folders := 0
	for _, e := range some(dir, maxClasses) {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if folders++; !is(filepath.Join(dir, e.Name())) {
			return false
		}
	}
	return folders >= 2
}

// isClass tells whether the folder holds photos and, as far as it is looked at,
// nothing else.
func isClass(folder string) bool {
	const enough = 64
	photos := 0
	for _, e := range some(folder, enough) {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if e.IsDir() || !dataset.IsPhoto(e.Name()) {
			return false
		}
		photos++
	}
	return photos > 0
}

// some returns so many of a folder's entries at most, in no order.
func some(dir string, n int) []fs.DirEntry {
	d, err := os.Open(dir)
	if err != nil {
		return nil // what can't be read is no place to write either
	}
	defer func() { _ = d.Close() }() // only read
	list, _ := d.ReadDir(n)          // likewise
	return list
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
