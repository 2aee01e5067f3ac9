package cli

import (
	"archive/tar"
	"archive/zip"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/ort/orttest"
	"fx/internal/progress"
	"fx/internal/store"
)

// packed writes the photos of a folder to an archive, under the folder's name.
func packed(t *testing.T, folder, archive string) string {
	t.Helper()
	f, err := os.Create(archive)
	must(t, err)
	var add func(name string, content []byte) error
	var finish func() error
	if strings.HasSuffix(archive, ".tar") {
		w := tar.NewWriter(f)
		add = func(name string, content []byte) error {
			if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}); err != nil {
				return err
			}
			_, err := w.Write(content)
			return err
		}
		finish = w.Close
	} else {
		w := zip.NewWriter(f)
		add = func(name string, content []byte) error {
			to, err := w.Create(name)
			if err != nil {
				return err
			}
			_, err = to.Write(content)
			return err
		}
		finish = w.Close
	}
	must(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(filepath.Dir(folder), path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return add(filepath.ToSlash(name), content)
	}))
	must(t, finish())
	must(t, f.Close())
	return archive
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// embeddings returns the rows of a store with their features.
func embeddings(t *testing.T, dir string) (rows []store.Row, features []float32) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, progress.Discard)
	must(t, err)
	defer func() { _ = s.Close() }() // only read
	for i := range s.Rows() {
		features = append(features, s.Embedding(i, nil)...)
	}
	rows = slices.Clone(s.Rows())
	return rows, features
}

// Photos in an archive give the rows of the folder that it was made from, and none of them is computed twice.
func TestArchivesGiveTheRowsOfTheirFolder(t *testing.T) {
	orttest.Library(t)
	dir := t.TempDir()
	data, folder := twoClasses(filepath.Join(dir, "data")), filepath.Join(dir, "folder")
	extract := func(data, out string) (s struct{ Computed, Cached, Dropped int }) {
		t.Helper()
		must(t, json.Unmarshal([]byte(succeed(t, "extract", "--backbone", tinyNetwork, "--data", data, "--out", out,
			"--json").stdout), &s))
		return s
	}
	extract(data, folder)
	rows, features := embeddings(t, folder)
	for _, name := range []string{"all.tar", "all.zip"} {
		archive, out := packed(t, data, filepath.Join(dir, name)), filepath.Join(dir, "store of "+name)
		if s := extract(archive, out); s.Computed != len(rows) {
			t.Errorf("%s: %+v", name, s)
		}
		gotRows, gotFeatures := embeddings(t, out)
		if !slices.Equal(gotRows, rows) || !slices.Equal(gotFeatures, features) {
			t.Errorf("%s: other rows than the folder's", name)
		}
		if s := extract(archive, out); s.Computed != 0 || s.Cached != len(rows) {
			t.Errorf("%s again: %+v", name, s)
		}
		succeed(t, "extract", "--backbone", tinyNetwork, "--data", archive, "--out", folder, "--force")
		if again, _ := embeddings(t, folder); !slices.Equal(again, rows) {
			t.Errorf("%s: the folder's store has other rows now", name)
		}
	}
	model, archive := filepath.Join(dir, "model"), filepath.Join(dir, "all.tar")
	succeed(t, "fit-head", "--features", folder, "--out", model, "--epochs", "2")
	a := succeed(t, "predict", "--model", model, archive, "--json")
	if strings.Count(a.stdout, "all.tar/data/") != len(rows) {
		t.Errorf("%s", a.stdout)
	}
	succeed(t, "eval", "--model", model, "--data", archive)
	succeed(t, "finetune", "--backbone", tinyNetwork, "--data", archive, "--out", filepath.Join(dir, "run"),
		"--all-params", "--epochs", "1", "--batch-size", "4")
	succeed(t, "quickstart", archive, "--backbone", tinyNetwork, "--out", filepath.Join(dir, "quick"))
}
