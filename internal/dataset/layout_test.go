package dataset_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"fx/internal/dataset"
	"fx/internal/fail"
)

// Layouts that people have and that are no trouble.
func TestOrdinaryLayouts(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   []string
		classes []string
		splits  []string
		items   int
		skipped string // a line that is there
		note    string
	}{
		{"a flat test set", []string{"train/a/1.jpg", "train/b/2.jpg", "test/3.jpg", "test/4.jpg"},
			[]string{"a", "b"}, []string{"train"}, 2,
			"test: its 2 photos lie in no class folders; `fx predict --model MODEL ", ""},
		{"train, val and a flat test set",
			[]string{"train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "val/b/4.jpg", "Test/5.jpg"}, []string{"a", "b"},
			[]string{"train", "val"}, 4, "Test: its 1 photo lies in no class", ""},
		{"a class with folders of photos beside one without",
			[]string{"cats/1.jpg", "cats/more/2.jpg", "dogs/x/3.jpg", "dogs/y/4.jpg"}, []string{"cats", "dogs"},
			[]string{""}, 4, "", "each of dogs/ counts as one class"},
		{"classes with folders alone, in splits",
			[]string{"train/cats/x/1.jpg", "train/dogs/y/2.jpg", "val/cats/z/3.jpg", "val/dogs/x/4.jpg"},
			[]string{"cats", "dogs"}, []string{"train", "val"}, 4, "", "each of cats/, dogs/ counts as one class"},
		{"a class that is called as a split", []string{"car/1.jpg", "plane/2.jpg", "train/3.jpg"},
			[]string{"car", "plane", "train"}, []string{""}, 3, "", ""},
		{"a test set beside classes", []string{"car/1.jpg", "plane/2.jpg", "test/3.jpg"},
			[]string{"car", "plane", "test"}, []string{""}, 3, "",
			"test/ counts as a class, since it lies beside class folders"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := scan(t, plant(t, t.TempDir(), c.files...))
			if !reflect.DeepEqual(d.Classes, c.classes) || !reflect.DeepEqual(d.Splits, c.splits) ||
				len(d.Items) != c.items {
				t.Errorf("classes %q, splits %q, %d photos", d.Classes, d.Splits, len(d.Items))
			}
			if _, skipped := brief(d); !strings.Contains(skipped, c.skipped) || (c.skipped == "") != (skipped == "") {
				t.Errorf("skipped %q", skipped)
			}
			if notes := strings.Join(d.Notes, "; "); !strings.Contains(notes, c.note) ||
				(c.note == "") != (notes == "") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// Names that look the same on a screen: what differs is said.
func TestNamesThatLookTheSame(t *testing.T) {
	const composed, decomposed = "K\u00e4fer", "Ka\u0308fer"
	for _, c := range []struct {
		name  string
		files []string
		list  string
		words []string
	}{
		{"Unicode forms in two splits", []string{
			"train/ant/1.jpg", "train/" + composed + "/2.jpg", "val/ant/3.jpg", "val/" + decomposed + "/4.jpg",
		}, "", []string{"split train/", `"Ka\u0308fer"`, `"K\u00e4fer"`, "differ in their Unicode form only"}},
		{"Unicode forms side by side", []string{"ant/1.jpg", composed + "/2.jpg", decomposed + "/3.jpg"}, "",
			[]string{"look the same", "Unicode form only"}},
		{"a blank in two splits", []string{"train/ant/1.jpg", "train/bee/2.jpg", "val/ant/3.jpg", "val/bee /4.jpg"}, "",
			[]string{`"bee " and "bee"`, "blanks around the name only"}},
		{"both", []string{"ant/1.jpg", composed + "/2.jpg", decomposed + " /3.jpg"}, "",
			[]string{"Unicode form and in blanks only"}},
		{"labels of a list", []string{"1.jpg", "2.jpg"},
			"path,label\n1.jpg," + composed + "\n2.jpg," + decomposed + "\n",
			[]string{"look the same", "Unicode form only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := plant(t, t.TempDir(), c.files...)
			if c.list != "" {
				root = writeList(t, root, c.list)
			}
			_, err := dataset.Scan(context.Background(), root, dataset.Options{})
			if fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
				t.Fatalf("error %v of kind %d", err, fail.KindOf(err))
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err.Error(), w)
				}
			}
		})
	}
	for _, c := range [][2]string{{"a", "a"}, {"a", "b"}, {"Ant", "ant"}} {
		if differ := dataset.LookAlike(c[0], c[1]); differ != "" {
			t.Errorf("%q: %s", c, differ)
		}
	}
}

// A model knows classes by name: one class is enough to evaluate it, and splits may differ.
func TestClassesByName(t *testing.T) {
	for _, files := range [][]string{{"ants/1.jpg"}, {"val/ants/1.jpg"},
		{"train/ants/1.jpg", "train/bees/2.jpg", "val/ants/3.jpg"}} {
		root := plant(t, t.TempDir(), files...)
		if _, err := dataset.Scan(context.Background(), root, dataset.Options{}); fail.KindOf(err) != fail.Usage {
			t.Errorf("%v: to train on: %v", files, err)
		}
		if d, err := dataset.Scan(context.Background(), root, dataset.Options{ByName: true}); err != nil ||
			len(d.Items) != len(files) || d.Classes[0] != "ants" {
			t.Errorf("%v: by name: %v", files, err)
		}
	}
	list := writeList(t, plant(t, t.TempDir(), "1.jpg"), "path,label\n1.jpg,ants\n")
	if d, err := dataset.Scan(context.Background(), list, dataset.Options{ByName: true}); err != nil ||
		len(d.Items) != 1 {
		t.Errorf("a list by name: %v", err)
	}
}

// A hint never leads to a file that is then rejected because fx can't read its kind.
func TestWhyAFileIsNoPhoto(t *testing.T) {
	for file, want := range map[string]string{
		"1.heic": "extension .heic (--extensions .heic adds it)",
		"1.AVIF": "extension .AVIF (--extensions .AVIF adds it)",
		"1.jxl":  "JPEG XL is not read: convert it to JPEG or PNG",
		"1.svg":  "SVG is not read: convert it to JPEG or PNG",
		"1.tga":  "TGA is not read: convert it to JPEG or PNG",
		"1.NEF":  "a camera's raw format is not read: convert it to JPEG or PNG",
		"1.mp4":  "a video is not read: save frames of it as JPEG or PNG",
		"1.json": ".json is no photo's extension",
		"1.gif":  "extension .gif (--extensions .gif adds it)",
		"1.jfif": "extension .jfif (--extensions .jfif adds it)",
		"1.x":    "extension .x (--extensions .x adds it, where it is a photo's)",
		"1":      "the name has no extension",
	} {
		d := scan(t, plant(t, t.TempDir(), "a/1.jpg", "b/2.jpg", "b/"+file))
		if len(d.Skipped) != 1 || d.Skipped[0].Reason != want {
			t.Errorf("%s: %v, want %s", file, d.Skipped, want)
		}
	}
}

func TestCheckLearnable(t *testing.T) {
	classes := []string{"ants", "bees", "wasps"}
	for _, c := range []struct {
		counts []int
		least  int
		says   string
	}{
		{[]int{1, 1, 1}, 1, ""},
		{[]int{3, 2, 0}, 1, "no usable photo of wasps to train on in train/"},
		{[]int{3, 0, 0}, 1, "no usable photo of bees, wasps to train on"},
		{[]int{3, 1, 2}, 2, "the class train/bees has 1 photo to train on"},
		{[]int{3, 1, 2}, 1, ""},
	} {
		err := dataset.CheckLearnable(classes, c.counts, c.least, "train", "photo")
		if c.says == "" && err != nil || c.says != "" &&
			(fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), c.says) || fail.HintOf(err) == "") {
			t.Errorf("%v, %d: %v", c.counts, c.least, err)
		}
	}
}
