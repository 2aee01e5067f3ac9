package experiments

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fx/internal/dataset"
	"fx/internal/progress"
)

// The key of every run holds this hash, so it must not change with fx: neither for photos nor for
// files without bytes, which records of older versions count as the hash of nothing.
func TestHashOfPhotosStaysWhatItWas(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "a.jpg"), []byte("a photo"), 0o644), os.WriteFile(filepath.Join(dir, "b.jpg"),
			nil, 0o644),
	); err != nil {
		t.Fatal(err)
	}
	photos := &dataset.Dataset{Items: []dataset.Item{
		{Path: filepath.Join(dir, "a.jpg"), Rel: "x/a.jpg", Class: "x", Size: 7},
		{Path: filepath.Join(dir, "b.jpg"), Rel: "y/b.jpg", Class: "y", Split: "val"},
		{Path: filepath.Join(dir, "gone.jpg"), Rel: "y/gone.jpg", Class: "y", Size: -1},
	}}
	got, err := contentSHA256(t.Context(), photos, progress.Discard)
	if want := "9aaafcd349b6b7de3d38cc7a4d71eba11438a0882e87c4d3edc9d26359a0a9fe"; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
}
