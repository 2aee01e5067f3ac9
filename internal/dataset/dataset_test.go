package dataset_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/testenv"
)

// plant makes files of one byte; a name ending in / is an empty folder.
func plant(t testing.TB, root string, names ...string) string {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == path {
			continue
		}
		if err := os.WriteFile(path, []byte{0}, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func scan(t testing.TB, root string, extensions ...string) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Scan(context.Background(), root, dataset.Options{Extensions: extensions})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// brief writes items as rel=label and skipped as base name: reason.
func brief(d *dataset.Dataset) (items, skipped string) {
	var a, b []string
	for _, i := range d.Items {
		a = append(a, fmt.Sprintf("%s=%d", i.Rel, i.Label))
	}
	for _, s := range d.Skipped {
		b = append(b, filepath.Base(s.Path)+": "+s.Reason)
	}
	return strings.Join(a, " "), strings.Join(b, "; ")
}

// imageFolder is what torchvision found: see testdata/imagefolder.py.
type imageFolder struct {
	Classes []string
	Samples [][2]any
	Count   int
	SHA256  string
}

func golden(t *testing.T) map[string]map[string]imageFolder {
	t.Helper()
	text, err := os.ReadFile("testdata/imagefolder.json")
	if err != nil {
		t.Fatal(err)
	}
	var g map[string]map[string]imageFolder
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSameItemsAndOrderAsTorchvision(t *testing.T) {
	tree, err := os.ReadFile("testdata/tree.txt")
	if err != nil {
		t.Fatal(err)
	}
	root := plant(t, t.TempDir(), strings.Fields(string(tree))...)
	d := scan(t, root)
	var want []string
	for _, split := range []string{"train", "val"} {
		g := golden(t)["tree"][split]
		if !reflect.DeepEqual(d.Classes, g.Classes) {
			t.Errorf("classes %q, torchvision %q", d.Classes, g.Classes)
		}
		for _, s := range g.Samples {
			want = append(want, fmt.Sprintf("%v=%v", s[0], s[1]))
		}
	}
	if got, _ := brief(d); got != strings.Join(want, " ") {
		t.Errorf("items %s\n torchvision %s", got, strings.Join(want, " "))
	}
	if len(d.Skipped) != 3 { // deep.gif, note.txt, jpg
		t.Errorf("skipped %v", d.Skipped)
	}
}

func TestHymenopteraDataAsTorchvision(t *testing.T) {
	root := testenv.PhotosDir(t)
	d := scan(t, root)
	text := map[string]string{}
	count := map[string]int{}
	for _, i := range d.Items {
		text[i.Split] += fmt.Sprintf("%s\t%d\n", i.Rel, i.Label)
		count[i.Split]++
	}
	for split, g := range golden(t)["hymenoptera_data"] {
		sum := sha256.Sum256([]byte(text[split]))
		if count[split] != g.Count || hex.EncodeToString(sum[:]) != g.SHA256 ||
			!reflect.DeepEqual(d.Classes, g.Classes) {
			t.Errorf("%s: %d photos of %v, torchvision has %d of %v, or the order differs", split, count[split],
				d.Classes, g.Count, g.Classes)
		}
	}
	if len(d.Skipped) != 1 || filepath.Ext(d.Skipped[0].Path) != ".gif" {
		t.Errorf("skipped %v, want the one .gif", d.Skipped)
	}
}

func TestItemsCarryTheFilesFacts(t *testing.T) {
	root := plant(t, t.TempDir(), "a/1.jpg", "b/2.jpg")
	if err := os.WriteFile(filepath.Join(root, "b/2.jpg"), []byte("four"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := scan(t, root)
	info, err := os.Stat(filepath.Join(root, "b/2.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	i := d.Items[1]
	if i.Size != 4 || !i.ModTime.Equal(info.ModTime()) || i.Inode != testenv.Inode(info) ||
		i.Class != "b" || i.Label != 1 || i.Split != "" || i.Path != filepath.Join(root, "b/2.jpg") {
		t.Errorf("item %+v", i)
	}
	if !reflect.DeepEqual(d.Splits, []string{""}) {
		t.Errorf("splits %q", d.Splits)
	}
}

func TestSkippedWithReasons(t *testing.T) {
	root := plant(t, t.TempDir(), "a/1.jpg", "b/2.jpg", "b/.DS_Store", "b/._2.jpg", "__MACOSX/a/1.jpg", ".git/x.jpg",
		"b/3.gif", "b/4.HEIC", "docs/readme.txt", "none/", "stray.jpg")
	for _, link := range [][2]string{{"../nowhere.jpg", "b/broken.jpg"}, {"..", "a/up"}} {
		if err := os.Symlink(link[0], filepath.Join(root, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	testenv.MakePipe(t, filepath.Join(root, "b/pipe.jpg"))
	if err := os.WriteFile(filepath.Join(root, "b/bad\xff.jpg"), nil, 0o644); err != nil {
		t.Skip("this file system refuses names that are not UTF-8")
	}
	items, skipped := brief(scan(t, root, " .HeIc "))
	if items != "a/1.jpg=0 b/2.jpg=1 b/4.HEIC=1" {
		t.Errorf("items %s", items)
	}
	want := `.git: hidden; __MACOSX: hidden; up: a link to a folder above it; .DS_Store: hidden; ._2.jpg: hidden; ` +
		`3.gif: extension .gif (--extensions .gif adds it); bad` + "\xff" +
		`.jpg: the name "bad\xff.jpg" is not valid UTF-8: rename it; ` +
		`broken.jpg: a link that leads to nothing; pipe.jpg: no regular file; docs: no photo in it: 1 other file; ` +
		`readme.txt: .txt is no photo's extension; none: no photo in it; ` +
		`stray.jpg: lies beside the class folders, so it has no class`
	if skipped != want {
		t.Errorf("skipped %s\n   want %s", skipped, want)
	}
}

func TestLinksToFoldersAreFollowed(t *testing.T) {
	elsewhere := plant(t, t.TempDir(), "1.jpg", "sub/2.jpg")
	root := plant(t, t.TempDir(), "b/3.jpg")
	for _, link := range [][2]string{{elsewhere, "a"}, {elsewhere + "/sub", "b/again"},
		{elsewhere + "/1.jpg", "b/9.jpg"}} {
		if err := os.Symlink(link[0], filepath.Join(root, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if items, _ := brief(scan(t, root)); items != "a/1.jpg=0 a/sub/2.jpg=0 b/3.jpg=1 b/9.jpg=1 b/again/2.jpg=1" {
		t.Errorf("items %s", items)
	}
}

func TestEmptyClassFolderKeepsTheLabelsOfASplit(t *testing.T) {
	root := plant(t, t.TempDir(), "train/a/1.jpg", "train/b/2.jpg", "train/c/3.jpg", "val/a/4.jpg", "val/b/",
		"val/c/5.jpg", "test/")
	d := scan(t, root)
	items, skipped := brief(d)
	if items != "train/a/1.jpg=0 train/b/2.jpg=1 train/c/3.jpg=2 val/a/4.jpg=0 val/c/5.jpg=2" {
		t.Errorf("items %s", items)
	}
	if skipped != "test: no photo in it; b: no photo in it" || !reflect.DeepEqual(d.Splits, []string{"train", "val"}) {
		t.Errorf("skipped %s, splits %v", skipped, d.Splits)
	}
}

func TestLayoutErrorsSayWhatWasFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		at    string   // below the root
		words []string // of the message and hint
	}{
		{"wrong path", []string{"photos/a/1.jpg"}, "photo/x",
			[]string{"photo/x", "nearest that exists is", "holds photos/"}},
		{"below a file", []string{"a.jpg"}, "a.jpg/x", []string{"a.jpg is a file"}},
		{"a file", []string{"a.jpg"}, "a.jpg", []string{"is a file, not a folder", ".csv"}},
		{"empty", nil, "", []string{"is empty"}},
		{"only empty folders", []string{"a/", "b/"}, "", []string{"is empty"}},
		{"no photo", []string{"a/1.gif", "a/2.gif", "b/x.txt"}, "",
			[]string{"no photo in", "2 × .gif", "1 × .txt", "--extensions"}},
		{"photos directly", []string{"d/1.jpg", "d/2.jpg"}, "d",
			[]string{"2 photos directly in", "the folder above it"}},
		{"one class", []string{"a/1.jpg", "b/1.heic"}, "",
			[]string{"only one class", ": a", "b/: no photo in it: 1 other file"}},
		{"one class in splits", []string{"train/a/1.jpg", "val/a/2.jpg"}, "",
			[]string{"only one class", "splits train/, val/"}},
		{"one class beside a flat test set", []string{"train/a/1.jpg", "test/2.jpg"}, "",
			[]string{"only one class", "split train/"}},
		{"splits without classes", []string{"train/1.jpg", "val/2.jpg"}, "",
			[]string{"train/, val/ lie in no class folders"}},
		{"classes of folders alone", []string{"cats/x/1.jpg", "dogs/y/2.jpg"}, "",
			[]string{"split cats/", "has no folder y/", "If cats/ is itself a class"}},
		{"classes differ", []string{"train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg", "val/c/1.jpg"}, "",
			[]string{"split train/", "has no folder c/"}},
		{"mixed", []string{"train/a/1.jpg", "train/b/1.jpg", "extra/1.jpg"}, "",
			[]string{"cannot tell splits from classes", "extra/ with photos directly", "train/ with folders"}},
		{"strays in a split", []string{"train/a/1.jpg", "train/s.jpg", "val/a/1.jpg", "val/s.jpg"}, "",
			[]string{"train/", "neither a split nor a class"}},
		{"too high", []string{"data/train/a/1.jpg", "data/train/b/1.jpg", "data/val/a/1.jpg"}, "",
			[]string{"a level too deep", "Perhaps you mean", "/data."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := plant(t, t.TempDir(), c.files...)
			_, err := dataset.Scan(context.Background(), filepath.Join(root, c.at), dataset.Options{})
			if fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
				t.Fatalf("error %v of kind %d, hint %q", err, fail.KindOf(err), fail.HintOf(err))
			}
			text := err.Error() + " | " + fail.HintOf(err)
			for _, w := range c.words {
				if !strings.Contains(text, w) {
					t.Errorf("%q lacks %q", text, w)
				}
			}
		})
	}
}

func TestUnreadableFolderIsAnError(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads every folder")
	}
	root := plant(t, t.TempDir(), "a/1.jpg", "b/2.jpg", "c/3.jpg")
	if err := os.Chmod(filepath.Join(root, "c"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.Scan(context.Background(), root, dataset.Options{}); fail.KindOf(err) != fail.Usage {
		t.Errorf("error %v", err)
	}
}

func TestScanStopsWhenCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := dataset.Scan(ctx, plant(t, t.TempDir(), "a/1.jpg", "b/2.jpg"), dataset.Options{}); !errors.Is(err,
		context.Canceled) {
		t.Errorf("error %v", err)
	}
}
