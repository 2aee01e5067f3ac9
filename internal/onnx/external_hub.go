package onnx

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// errNoHub means that a link is not one of a hub cache.
var errNoHub = errors.New("not a link of a Hugging Face hub cache")

// openBlob opens the target of a link in the model's folder, if the two are laid out as huggingface_hub does it,
//
//	models--ORG--NAME/snapshots/REVISION/…/model.onnx_data → ../../…/blobs/HASH
//	models--ORG--NAME/blobs/HASH
//
// within one models--* folder, and the blob is a regular file whose name is a hash. Source: huggingface_hub's guide
// "Understand caching".
func (e *externalReader) openBlob(location string) (*os.File, error) {
	repository, inside, found := hubFolder(e.folder)
	if !found {
		return nil, errNoHub
	}
	link, err := e.root.Readlink(location)
	if err != nil {
		return nil, err
	}
	if filepath.IsAbs(link) || strings.Contains(link, `\`) {
		return nil, errNoHub
	}
	blob := path.Join(inside, path.Dir(location), link) // no component of either is a link
	folder, hash := path.Split(blob)
	if folder != "blobs/" || !isBlobName(hash) {
		return nil, errNoHub
	}
	root, err := os.OpenRoot(repository)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()                                // the file stays open
	if info, err := root.Lstat("blobs"); err != nil || !info.IsDir() { // not a link to another folder in it either
		return nil, errors.Join(errNoHub, err)
	}
	info, err := root.Lstat(blob)
	if err != nil {
		return nil, err
	}
	return openRegular(root, blob, info)
}

// hubFolder splits the real path of a folder into that of a hub cache's models--* and the rest, which begins with
// snapshots/REVISION.
func hubFolder(folder string) (repository, inside string, found bool) {
	real, err := filepath.Abs(folder)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return "", "", false
	}
	parts := strings.Split(filepath.ToSlash(real), "/")
	for i := len(parts) - 3; i >= 0; i-- { // the innermost
		if strings.HasPrefix(parts[i], "models--") && parts[i+1] == "snapshots" {
			return filepath.FromSlash(strings.Join(parts[:i+1], "/")), strings.Join(parts[i+1:], "/"), true
		}
	}
	return "", "", false
}

// isBlobName reports whether a name is a hash: SHA-256 of a large file, SHA-1 of a small one.
func isBlobName(name string) bool {
	return (len(name) == 64 || len(name) == 40) && strings.Trim(name, "0123456789abcdef") == ""
}
