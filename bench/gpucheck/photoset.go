package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fx/internal/dataset"
	"fx/internal/imaging"
	"fx/internal/store"
)

// photoSet is a folder of photos with a subfolder for each class.
type photoSet struct {
	dir   string
	paths []string // of its photos
}

// copyPhotos creates a photoSet of n photos in dir from the decodable photos in data:
// evenly spaced, or all of them repeated under new names.
func copyPhotos(ctx context.Context, data, dir string, n int) (photoSet, error) {
	set := photoSet{dir: dir}
	photos, err := dataset.Scan(ctx, data, dataset.Options{})
	if err != nil {
		return set, err
	}
	decoder, err := imaging.NewDecoder(imaging.Options{})
	if err != nil {
		return set, err
	}
	var usable []dataset.Item
	var image imaging.Image
	for i := range min(n, len(photos.Items)) {
		if err := ctx.Err(); err != nil {
			return set, err
		}
		item := photos.Items[i*len(photos.Items)/min(n, len(photos.Items))]
		if content, _, err := store.Load(ctx, item.Source()); err == nil && decoder.DecodeInto(&image, content) == nil {
			usable = append(usable, item)
		}
	}
	if len(usable) == 0 {
		return set, fmt.Errorf("%s has no photo that can be used", data)
	}
	for i := range n {
		item, again := usable[i%len(usable)], i/len(usable)
		extension := filepath.Ext(item.Rel)
		name := item.Rel
		if again > 0 {
			name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, extension), again, extension)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		content, err := os.ReadFile(item.Path)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, content, 0o644)
		}
		if err != nil {
			return set, err
		}
		set.paths = append(set.paths, path)
	}
	return set, nil
}

// writeList writes paths for a script, one a line.
func writeList(file string, paths []string) error {
	return os.WriteFile(file, []byte(strings.Join(paths, "\n")+"\n"), 0o644)
}
