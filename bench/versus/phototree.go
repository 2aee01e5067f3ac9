package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"fx/internal/dataset"
	"fx/internal/durable"
)

// photoTree is a folder of photos that all sides read. It is a copy, because hard links
// to the user's own files would change their metadata.
type photoTree struct {
	dir    string   // the folder of the copies
	grown  string   // folder of larger trees
	rel    []string // paths of the photos in it, slash-separated, sorted by split, class and name
	sha256 string   // of names and sizes
}

// copyPhotos copies the photos of a folder, or a number of them, evenly spaced.
func copyPhotos(ctx context.Context, from, to string, limit int, log func(string, ...any)) (photoTree, error) {
	found, err := dataset.Scan(ctx, from, dataset.Options{})
	if err != nil {
		return photoTree{}, err
	}
	items := found.Items
	if limit > 0 && limit < len(items) {
		some := make([]dataset.Item, limit)
		for i := range some {
			some[i] = items[i*len(items)/limit]
		}
		items = some
	}
	tree := photoTree{dir: filepath.Join(to, "data"), grown: to}
	var listing strings.Builder
	for _, item := range items {
		tree.rel = append(tree.rel, item.Rel)
		fmt.Fprintf(&listing, "%s %d\n", item.Rel, item.Size)
	}
	sum := sha256.Sum256([]byte(listing.String()))
	tree.sha256 = hex.EncodeToString(sum[:])
	stamp := filepath.Join(to, "data.sha256")
	if there, err := os.ReadFile(stamp); err == nil && string(there) == tree.sha256 {
		return tree, nil
	}
	log("copying %s photos", count(len(items)))
	if err := os.RemoveAll(to); err != nil { // including trees of the earlier photos
		return tree, err
	}
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return tree, err
		}
		path := filepath.Join(tree.dir, filepath.FromSlash(item.Rel))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return tree, err
		}
		if err := copyBytes(item.Path, path); err != nil {
			return tree, err
		}
	}
	return tree, durable.WriteBytes(stamp, []byte(tree.sha256))
}

// touched is the number of photos of a grown tree with a file of their own, whose time
// can change without that of others.
const touched = 100

// grow creates a tree of n photos: the same ones repeated under new names, which are hard
// links except for the first ones.
func (t photoTree) grow(ctx context.Context, n int, log func(string, ...any)) (dir string, err error) {
	dir = filepath.Join(t.grown, fmt.Sprint(n))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	log("making a folder of %s photos", count(n))
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		from, to := filepath.Join(t.dir, filepath.FromSlash(t.rel[i%len(t.rel)])), filepath.Join(partial,
			filepath.FromSlash(t.name(i)))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if i >= touched && os.Link(from, to) == nil {
			continue
		}
		if err := copyBytes(from, to); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(partial, dir)
}

// name returns the name of the i-th photo of a grown tree.
func (t photoTree) name(i int) string {
	rel := t.rel[i%len(t.rel)]
	ext := path.Ext(rel)
	return fmt.Sprintf("%s-%06d%s", strings.TrimSuffix(rel, ext), i/len(t.rel), ext)
}

// remove removes a grown tree.
func (t photoTree) remove(n int) error { return os.RemoveAll(filepath.Join(t.grown, fmt.Sprint(n))) }

// copyBytes copies a file to a new one. It does not sync, because only complete trees are used.
func copyBytes(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
