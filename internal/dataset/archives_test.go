package dataset

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
)

// pack writes a tar archive of the members name=text, in their order.
func pack(t testing.TB, path string, members ...string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, m := range members {
		name, text, _ := strings.Cut(m, "=")
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// shown returns what matters of the items.
func shown(items []Item) (all []string) {
	for _, i := range items {
		all = append(all, fmt.Sprintf("%s %s/%s=%d", i.Rel, i.Split, i.Class, i.Label))
	}
	return all
}

func TestArchivesAsTheFolderThatTheyUnpackTo(t *testing.T) {
	dir := t.TempDir()
	members := []string{
		"./data/train/ants/b.jpg=1", "./data/train/ants/a.jpg=2", "./data/train/bees/deep/c.jpg=3",
		"./data/val/ants/a.jpg=4", "./data/val/bees/x.png=5", "./data/train/ants/._a.jpg=6", "./data/train/note.txt=7",
		"./data/val/bees/empty.jpg=",
	}
	archive := pack(t, filepath.Join(dir, "all.tar"), members...)
	for _, m := range members {
		name, text, _ := strings.Cut(m, "=")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := Scan(t.Context(), filepath.Join(dir, "data"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Scan(t.Context(), archive, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(shown(got.Items), shown(want.Items)) || !slices.Equal(got.Classes, want.Classes) ||
		!slices.Equal(got.Splits, want.Splits) || len(got.Items) != 5 {
		t.Errorf("%v, want %v", shown(got.Items), shown(want.Items))
	}
	if len(got.Refused) != 1 || got.Refused[0].Rel != want.Refused[0].Rel || len(got.Skipped) != 2 {
		t.Errorf("refused %v, skipped %v, want %v", got.Refused, got.Skipped, want.Skipped)
	}
	if item := got.Items[0]; item.Path != archive+"/./data/train/ants/a.jpg" || item.Source().String() != item.Path ||
		item.ModTime.IsZero() {
		t.Errorf("%+v", item)
	}
}

func TestShardsWithLabelsBesideThePhotos(t *testing.T) {
	dir := t.TempDir()
	for split, shards := range map[string]int{"train": 2, "val": 1} {
		for i := range shards {
			pack(t, filepath.Join(dir, fmt.Sprintf("%s-%03d.tar", split, i)),
				"0.jpg=photo", "0.cls=10\n", "1.left.png=photo", "1.right.png=photo", "1.cls=9", "2.jpg=photo",
				"2.json={}")
		}
	}
	const ten, nine = "10=1", "9=0"
	for root, want := range map[string][]string{
		filepath.Join(dir, "train-{000..001}.tar"): {
			"train-000.tar/1.left.png train/" + nine, "train-000.tar/1.right.png train/" + nine,
			"train-001.tar/1.left.png train/" + nine, "train-001.tar/1.right.png train/" + nine,
			"train-000.tar/0.jpg train/" + ten, "train-001.tar/0.jpg train/" + ten,
		},
		filepath.Join(dir, "val-000.tar"): {
			"val-000.tar/1.left.png val/" + nine, "val-000.tar/1.right.png val/" + nine,
			"val-000.tar/0.jpg val/" + ten,
		},
	} {
		d, err := Scan(t.Context(), root, Options{})
		if err != nil || !slices.Equal(shown(d.Items), want) || !slices.Equal(d.Classes, []string{"9", "10"}) {
			t.Errorf("%s: %v, %v", root, shown(d.Items), err)
		} else if n := len(want) / 3; len(d.Skipped) != n { // 2.jpg has no label
			t.Errorf("%s: %v", root, d.Skipped)
		}
	}
	for _, root := range []string{dir, filepath.Join(dir, "*.tar"), filepath.Join(dir, "{train,val}-000.tar")} {
		d, err := Scan(t.Context(), root, Options{})
		if err != nil || !slices.Equal(d.Splits, []string{"train", "val"}) {
			t.Errorf("%s: %+v, %v", root, d, err)
		}
	}
}

func TestLabelsInArchives(t *testing.T) {
	many := []string{}
	for i := range 300 {
		many = append(many, fmt.Sprintf("%d.jpg=photo", i), fmt.Sprintf("%d.txt=a photo of thing %d", i, i))
	}
	for name, c := range map[string]struct {
		members []string
		classes string // or a part of the error
	}{
		"json":        {[]string{"a.jpg=x", `a.json={"label":"cat"}`, "b.jpg=x", `b.json={"class":"dog"}`}, "cat dog"},
		"json number": {[]string{"a.jpg=x", `a.json={"cls":10}`, "b.jpg=x", `b.json={"cls":9}`}, "9 10"},
		"text":        {[]string{"a.jpg=x", "a.txt=cat", "b.jpg=x", "b.txt=dog", "readme.txt=no label"}, "cat dog"},
		"cls first":   {[]string{"a.jpg=x", "a.txt=A", "a.cls=1", "b.jpg=x", "b.txt=B", "b.cls=0"}, "0 1"},
		"captions":    {many, "look like captions"},
		"two lines":   {[]string{"a.jpg=x", "a.cls=1\n2", "b.jpg=x", "b.cls=1"}, "not one line"},
		"empty":       {[]string{"a.jpg=x", "a.cls= ", "b.jpg=x", "b.cls=1"}, "the label is empty"},
		"no JSON":     {[]string{"a.jpg=x", "a.json=1", "b.jpg=x", `b.json={"label":"dog"}`}, "no JSON object"},
		"one class":   {[]string{"a.jpg=x", "a.cls=1", "b.jpg=x", "b.cls=1"}, "only one class"},
		"twice":       {[]string{"a.jpg=x", "a.cls=1", "b.jpg=x", "b.cls=2", "a.jpg=y"}, "twice"},
		"no label":    {[]string{"a.jpg=x", "b.jpg=x"}, "class"},
		"no photo":    {[]string{"a.mp4=x"}, "no photo"},
		"outside":     {[]string{"../a.jpg=x", "/b/../../c.jpg=x"}, "leads out"},
	} {
		path := pack(t, filepath.Join(t.TempDir(), "a.tar"), c.members...)
		d, err := Scan(t.Context(), path, Options{})
		if err != nil {
			if !strings.Contains(err.Error(), c.classes) || fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if got := strings.Join(d.Classes, " "); got != c.classes {
			t.Errorf("%s: classes %s", name, got)
		}
		if !strings.HasPrefix(d.Items[0].Rel, "a.tar/") {
			t.Errorf("%s: %s", name, d.Items[0].Rel)
		}
	}
}

func TestUnlabelledPhotos(t *testing.T) {
	dir := t.TempDir()
	archive := pack(t, filepath.Join(dir, "in", "a.tar"), "a.jpg=x", "a.cls=1", "deep/b.png=x")
	for _, name := range []string{"1.jpg", "deep/er/2.jpg"} {
		path := filepath.Join(dir, "photos", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := filepath.Join(dir, "list.csv")
	if err := os.WriteFile(list, []byte("path\nphotos/1.jpg\nphotos/deep/er/2.jpg\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for root, want := range map[string]string{
		archive:                      "a.tar/a.jpg a.tar/deep/b.png",
		filepath.Dir(archive):        "a.tar/a.jpg a.tar/deep/b.png",
		filepath.Join(dir, "photos"): "1.jpg deep/er/2.jpg",
		list:                         "photos/1.jpg photos/deep/er/2.jpg",
	} {
		d, err := Scan(t.Context(), root, Options{Unlabelled: true})
		if err != nil {
			t.Errorf("%s: %v", root, err)
			continue
		}
		var rels []string
		for _, i := range d.Items {
			rels = append(rels, i.Rel)
			if i.Class != UnlabelledClass || i.Label != 0 || i.Split != "" {
				t.Errorf("%s: %+v", root, i)
			}
		}
		if got := strings.Join(rels, " "); got != want || !slices.Equal(d.Classes, []string{UnlabelledClass}) {
			t.Errorf("%s: %s, classes %v", root, got, d.Classes)
		}
	}
	found, err := Photos(t.Context(), []string{archive, filepath.Dir(archive)}, Options{})
	if err != nil || len(found.Items) != 4 || found.Items[1].Path != archive+"/deep/b.png" {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestArchivesThatShareAName(t *testing.T) {
	dir := t.TempDir()
	pack(t, filepath.Join(dir, "1.tar"), "ants/a.jpg=x", "bees/a.jpg=x", "ants/a.jpg=newer")
	d, err := Scan(t.Context(), filepath.Join(dir, "1.tar"), Options{})
	if err != nil || len(d.Items) != 2 || d.Items[0].Size != int64(len("newer")) {
		t.Errorf("%+v, %v", d, err)
	}
	pack(t, filepath.Join(dir, "2.tar"), "ants/a.jpg=x")
	if _, err := Scan(t.Context(), filepath.Join(dir, "{1,2}.tar"), Options{}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "2.tar") {
		t.Errorf("%v", err)
	}
	if _, err := Scan(t.Context(), filepath.Join(dir, "{1,2,3}.tar"), Options{}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "3.tar") {
		t.Errorf("%v", err)
	}
}

func TestBraces(t *testing.T) {
	for pattern, want := range map[string]string{
		"a-{000..002}.tar": "a-000.tar a-001.tar a-002.tar", "{9..11}": "9 10 11", "{08..10}": "08 09 10",
		"{a,b}/{1..2}": "a/1 a/2 b/1 b/2", "{a}": "{a}", "plain": "plain",
		"{": "!", "{a{b}}": "!", "{2..1}": "!", "{1..x}": "!", "{0..2000000}": "!", "{0..1999}{0..1999}": "!",
	} {
		got, err := braces(pattern)
		if text := strings.Join(got, " "); err != nil && want != "!" || err == nil && text != want {
			t.Errorf("%s: %s, %v", pattern, text, err)
		}
	}
}
