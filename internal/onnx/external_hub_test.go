package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/testenv"
)

var (
	dataHash  = strings.Repeat("0123456789abcdef", 4) // SHA-256, of a large file
	modelHash = strings.Repeat("89abcdef01", 4)       // SHA-1, of a small one
)

// hub makes a hub cache whose repository models--o--n holds a model and its
// external data in snapshots/rev/FOLDER, and returns the path of the model.
func hub(t *testing.T, folder string) (root, path string) {
	t.Helper()
	root = t.TempDir()
	repository := filepath.Join(root, "models--o--n")
	snapshot := filepath.Join(repository, "snapshots", "rev", folder)
	for _, dir := range []string{filepath.Join(repository, "blobs"), snapshot} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	plain := writeExternal(t, t.TempDir(), "model.onnx_data", "8", "24")
	up, err := filepath.Rel(snapshot, filepath.Join(repository, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, hash string }{
		"model.onnx":      {plain, modelHash},
		"model.onnx_data": {filepath.Join(filepath.Dir(plain), "data.bin"), dataHash},
	} {
		if err := os.Rename(c.from, filepath.Join(repository, "blobs", c.hash)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(up, c.hash), filepath.Join(snapshot, name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	return root, filepath.Join(snapshot, "model.onnx")
}

func TestExternalDataOfAHubCache(t *testing.T) {
	_, path := hub(t, "")
	_, deep := hub(t, "onnx")
	linked := filepath.Join(t.TempDir(), "mine")
	if err := os.Symlink(filepath.Dir(path), linked); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(path))
	for _, path := range []string{path, deep, filepath.Join(linked, "model.onnx"), "model.onnx"} {
		m, err := Load(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if values, err := Float32s(m.Graph.Initializer[0]); err != nil || len(values) != 6 || values[5] != 6 {
			t.Errorf("%s: read %v, %v", path, values, err)
		}
	}
}

func TestLinksThatAreNoneOfAHubCacheAreRefused(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	relink := func(target, link string) {
		t.Helper()
		must(os.Remove(link))
		must(os.Symlink(target, link))
	}
	for name, c := range map[string]struct {
		change func(root, snapshot string) string // gives the folder of the model now, "" for snapshot
		word   string
	}{
		"out of the repository": {func(root, snapshot string) string {
			must(os.MkdirAll(filepath.Join(root, "models--x--y", "blobs"), 0o755))
			must(os.WriteFile(filepath.Join(root, "models--x--y", "blobs", dataHash), make([]byte, 64), 0o644))
			relink("../../../models--x--y/blobs/"+dataHash, filepath.Join(snapshot, "model.onnx_data"))
			return ""
		}, "through the link"},
		"out of everything": {func(root, snapshot string) string {
			relink("../../../../../../../../../../../../etc/passwd", filepath.Join(snapshot, "model.onnx_data"))
			return ""
		}, "through the link"},
		"an absolute path": {func(root, snapshot string) string {
			relink(filepath.Join(root, "models--o--n", "blobs", dataHash), filepath.Join(snapshot, "model.onnx_data"))
			return ""
		}, "through the link"},
		"to another snapshot": {func(root, snapshot string) string {
			other := filepath.Join(root, "models--o--n", "snapshots", dataHash)
			must(os.WriteFile(other, make([]byte, 64), 0o644))
			relink("../../snapshots/"+dataHash, filepath.Join(snapshot, "model.onnx_data"))
			return ""
		}, "through the link"},
		"beside the model": {func(root, snapshot string) string {
			must(os.WriteFile(filepath.Join(snapshot, dataHash), make([]byte, 64), 0o644))
			relink(dataHash, filepath.Join(snapshot, "model.onnx_data"))
			return ""
		}, "through the link"},
		"a name that is no hash": {func(root, snapshot string) string {
			must(os.WriteFile(filepath.Join(root, "models--o--n", "blobs", "data"), make([]byte, 64), 0o644))
			relink("../../blobs/data", filepath.Join(snapshot, "model.onnx_data"))
			return ""
		}, "through the link"},
		"below a blob": {func(root, snapshot string) string {
			relink("../../blobs/"+dataHash+"/"+dataHash, filepath.Join(snapshot, "model.onnx_data"))
			return ""
		}, "through the link"},
		"a blob that is a link": {func(root, snapshot string) string {
			relink("/etc/passwd", filepath.Join(root, "models--o--n", "blobs", dataHash))
			return ""
		}, "not a regular file"},
		"a blob that is a pipe": {func(root, snapshot string) string {
			blob := filepath.Join(root, "models--o--n", "blobs", dataHash)
			must(os.Remove(blob))
			testenv.MakePipe(t, blob)
			return ""
		}, "not a regular file"},
		"a blob that is gone": {func(root, snapshot string) string {
			must(os.Remove(filepath.Join(root, "models--o--n", "blobs", dataHash)))
			return ""
		}, "no such file"},
		"blobs that are a link": {func(root, snapshot string) string {
			repository := filepath.Join(root, "models--o--n")
			must(os.Rename(filepath.Join(repository, "blobs"), filepath.Join(repository, "elsewhere")))
			must(os.Symlink("elsewhere", filepath.Join(repository, "blobs")))
			return ""
		}, "through the link"},
		"a folder of data that is a link": {func(root, snapshot string) string {
			must(os.Remove(filepath.Join(snapshot, "model.onnx_data")))
			must(os.Symlink("../../blobs", filepath.Join(snapshot, "model.onnx_data")))
			return ""
		}, "through the link"},
		"another repository's kind": {func(root, snapshot string) string {
			must(os.Rename(filepath.Join(root, "models--o--n"), filepath.Join(root, "datasets--o--n")))
			return filepath.Join(root, "datasets--o--n", "snapshots", "rev")
		}, "through the link"},
		"no revision": {func(root, snapshot string) string {
			above := filepath.Dir(snapshot)
			for name, hash := range map[string]string{"model.onnx": modelHash, "model.onnx_data": dataHash} {
				must(os.Symlink("../blobs/"+hash, filepath.Join(above, name)))
			}
			return above
		}, "through the link"},
		"not in snapshots": {func(root, snapshot string) string {
			repository := filepath.Join(root, "models--o--n")
			must(os.Rename(filepath.Join(repository, "snapshots"), filepath.Join(repository, "refs")))
			return filepath.Join(repository, "refs", "rev")
		}, "through the link"},
	} {
		t.Run(name, func(t *testing.T) {
			root, path := hub(t, "")
			folder := c.change(root, filepath.Dir(path))
			if folder != "" {
				path = filepath.Join(folder, "model.onnx")
			}
			_, err := Load(path)
			checkRefused(t, err, path, c.word)
		})
	}
}

// A pipe without a writer must not keep fx waiting.
func TestAPipeIsNoONNXFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.onnx")
	testenv.MakePipe(t, path)
	_, err := Load(path)
	checkRefused(t, err, path, "not a regular file")
}
