package dataset_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/dataset"
	"fx/internal/fail"
)

// FuzzScan demands of a tree of any shape that it is read or refused: each line
// is a file, or a link as path>target. What is read is consistent, and with
// links left out no item lies behind one.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"a/1.jpg\nb/2.jpg", "train/a/1.jpg\ntrain/b/2.jpg\ntest/3.jpg", "train/a/1.jpg\ntest/2.jpg",
		"train/1.jpg\nval/2.jpg", "a/1.jpg\na/b>..\nb/2.jpg\nb/c>../a", "a/1.jpg\nb>a\nc>.",
		"cats/x/1.jpg\ndogs/2.jpg\ntrain/3.jpg", "val/a/1.jpg\ntrain/a/b/2.jpg\ntrain/c>a",
		"a/x>b/y\nb/1.jpg\nb/y>../a", "1.jpg\n2.gif", "a/1.jpg>nowhere\nb/2.jpg\nc/.x/3.jpg",
		"a/1.jpg\nb/2.jpg\nb>" + strings.Repeat("c", 300) + "\nc/3.jpg", "a>" + strings.Repeat("b", 300),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tree string) {
		root := t.TempDir()
		for _, line := range strings.Split(tree, "\n") {
			path, target, isLink := strings.Cut(line, ">")
			if !filepath.IsLocal(path) || strings.Contains(tree, "\x00") || isLink &&
				(filepath.IsAbs(target) || !filepath.IsLocal(filepath.Join(filepath.Dir(path), target))) {
				return // the fuzzer's own files only
			}
			path = filepath.Join(root, path)
			if os.MkdirAll(filepath.Dir(path), 0o755) != nil {
				return
			}
			if isLink {
				_ = os.Symlink(target, path) // one that can't be made is not there
			} else {
				_ = os.WriteFile(path, []byte{0}, 0o644)
			}
		}
		for _, o := range []dataset.Options{{}, {NoFollowLinks: true}, {ByName: true}} {
			d, err := dataset.Scan(context.Background(), root, o)
			if err != nil {
				if kind := fail.KindOf(err); kind != fail.Usage && kind != fail.Rejected || fail.HintOf(err) == "" {
					t.Errorf("kind %d, hint %q: %v", fail.KindOf(err), fail.HintOf(err), err)
				}
				continue
			}
			seen := map[string]bool{}
			for _, i := range d.Items {
				if d.Classes[i.Label] != i.Class || seen[i.Rel] {
					t.Errorf("item %+v of the classes %q", i, d.Classes)
				}
				seen[i.Rel] = true
				resolved, err := filepath.EvalSymlinks(i.Path)
				if err != nil {
					t.Errorf("%s: %v", i.Path, err)
				}
				if o.NoFollowLinks && resolved != i.Path {
					t.Errorf("%s leads to %s", i.Path, resolved)
				}
			}
		}
		if found, err := dataset.Photos(context.Background(), []string{root}, dataset.Options{}); err == nil &&
			len(found.Items) == 0 {
			t.Error("neither photos nor an error")
		}
	})
}
