package dataset_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"fx/internal/dataset"
	"fx/internal/fail"
)

func writeList(t testing.TB, root, text string) string {
	t.Helper()
	path := filepath.Join(root, "list.CSV")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestList(t *testing.T) {
	root := plant(t, t.TempDir(), "x/1.jpg", "x/2.gif", "3")
	elsewhere := filepath.Join(plant(t, t.TempDir(), "4.jpg"), "4.jpg")
	d := scan(t, writeList(t, root, "\ufeffid,Label,path,split\n"+
		"a,bees,x/1.jpg,val\nb,ants,./x/2.gif,train\nc,bees,3,train\n"+
		"d,ants,"+elsewhere+",train\ne,ants,gone.jpg,train\n"))
	items, _ := brief(d)
	if want := elsewhere + "=0 gone.jpg=0 x/2.gif=0 3=1 x/1.jpg=1"; items != want &&
		items != "gone.jpg=0 "+elsewhere+"=0 x/2.gif=0 3=1 x/1.jpg=1" {
		t.Errorf("items %s\n want %s", items, want)
	}
	if !reflect.DeepEqual(d.Classes, []string{"ants", "bees"}) ||
		!reflect.DeepEqual(d.Splits, []string{"train", "val"}) {
		t.Errorf("classes %v, splits %v", d.Classes, d.Splits)
	}
	for _, i := range d.Items {
		if gone := i.Rel == "gone.jpg"; gone != (i.Size == -1) || gone != i.ModTime.IsZero() {
			t.Errorf("%s: size %d, time %v", i.Rel, i.Size, i.ModTime)
		}
	}
}

func TestListOfNumbersIsInNumericOrder(t *testing.T) {
	root := plant(t, t.TempDir(), "1", "2", "3")
	d := scan(t, writeList(t, root, "path,label\n1,10\n2,9\n3,2\n"))
	if !reflect.DeepEqual(d.Classes, []string{"2", "9", "10"}) {
		t.Errorf("classes %v", d.Classes)
	}
}

// Blanks after a comma are no part of a path, unless a file is called so.
func TestListWithBlanks(t *testing.T) {
	root := plant(t, t.TempDir(), "x/1.jpg", "x/2.jpg", " y.jpg")
	d := scan(t, writeList(t, root, "label, path\na, x/1.jpg\nb, x/2.jpg \nb, y.jpg\n"))
	if items, _ := brief(d); items != "x/1.jpg=0  y.jpg=1 x/2.jpg=1" && items != " y.jpg=1" {
		t.Errorf("items %q", items)
	}
	for _, i := range d.Items {
		if i.Size < 0 {
			t.Errorf("%s does not exist", i.Path)
		}
	}
}

// One photo under two names must not have two labels.
func TestOnePhotoWithTwoLabels(t *testing.T) {
	root := plant(t, t.TempDir(), "x/1.jpg", "x/2.jpg")
	link(t, root, "1.jpg", "x/link.jpg")
	if err := os.Link(filepath.Join(root, "x/1.jpg"), filepath.Join(root, "hard.jpg")); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"x/link.jpg", "hard.jpg", root + "/x/1.jpg"} {
		_, err := dataset.Scan(context.Background(),
			writeList(t, root, "path,label\nx/1.jpg,a\nx/2.jpg,b\n"+other+",b\n"), dataset.Options{})
		want := other + ` is the same file as x/1.jpg on line 2, but with the label "b", not "a"`
		if fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), want) || fail.HintOf(err) == "" {
			t.Errorf("error %v, want %s", err, want)
		}
		if d := scan(t, writeList(t, root, "path,label\nx/1.jpg,a\nx/2.jpg,b\n"+other+",a\n")); len(d.Items) != 3 {
			t.Errorf("with one label: %d photos", len(d.Items))
		}
	}
}

// Excel's "CSV (Macintosh)" ends its lines in carriage returns, Windows' in both.
func TestListWithOtherLineEnds(t *testing.T) {
	root := plant(t, t.TempDir(), "1", "2")
	for _, end := range []string{"\r", "\r\n"} {
		d := scan(t, writeList(t, root, strings.ReplaceAll("path,label\n1,a\n\"2\",b\n", "\n", end)))
		if items, _ := brief(d); items != "1=0 2=1" {
			t.Errorf("lines that end in %q: %s", end, items)
		}
	}
}

func TestListErrors(t *testing.T) {
	long := strings.Repeat("é/", 100_000)
	for _, c := range []struct{ name, text, word string }{
		{"empty", "", "is empty"},
		{"no header", "x/1.jpg,ants\n", `"x/1.jpg,ants", not a header`},
		{"semicolons", "path;label\n1;a\n", `"path;label", not a header`},
		{"no rows", "path,label\n", "names no photo"},
		{"short line", "path,label\n1,a\n2\n", "line 3"},
		{"no label", "path,label\n1,\n", "line 2"},
		{"twice", "path,label\n1,a\n2,b\n./1,b\n", "line 4: 1 is listed already on line 2"},
		{"none exists", "path,label\nq/1,a\nq/2,b\n", "none of the 2 photos"},
		{"one class", "path,label\n1,a\n2,a\n", "only one class"},
		{"not UTF-8", "path,label\n\xff,a\n", "not valid UTF-8"},
		{"zero byte", "path,label\n1,a\n2\x00,b\n", "zero byte"},
		{"a long header", "path;" + long, "not a header"},
		{"a long path", "path,label\n" + long + ",\n", "line 2"},
		{"a long path twice", "path,label\n" + long + ",a\n" + long + ",b\n", "listed already on line 2"},
		{"long paths that do not exist", "path,label\n" + long + ",a\n", "none of the 1 photos"},
		{"a long class", "path,label\n1," + long + "\n", "only one class"},
		{"a long line with a stray quote", "path,label\n" + long + "\",a\n", "line 2"},
		{"an endless quote", "path,label\n\"" + long + "\n" + long, "line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := plant(t, t.TempDir(), "1", "2")
			_, err := dataset.Scan(context.Background(), writeList(t, root, c.text), dataset.Options{})
			if fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" || !strings.Contains(err.Error(), c.word) {
				t.Errorf("error %v of kind %d lacks %q", err, fail.KindOf(err), c.word)
			}
			if err != nil && len(err.Error()) > 1_000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}

// FuzzList demands that a list of any content is read or refused, in memory in
// proportion to its size and a message of bounded length.
func FuzzList(f *testing.F) {
	for _, s := range []string{"path,label\n1,a\n2,b\n", "path,label,split\n1,a,\"x\ny\"\n",
		"\ufeffLABEL,path\nb,2\n", "path,label\n\"", "path,path,label\n1,2,3\n", "path,label\r1,a\r2,b\r",
		"path;label\n1;a\n", "path,label\n2,\n", "path,label\n1,a\n2,b\n./1,b\n", "path,label\n\xff,a\n",
		"path,label\n1,a\n2\x00,b\n", "path,label\n/,a"} {
		f.Add(s)
	}
	root := plant(f, f.TempDir(), "1", "2")
	f.Fuzz(func(t *testing.T, text string) {
		path := writeList(t, root, text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := dataset.Scan(context.Background(), path, dataset.Options{})
		runtime.ReadMemStats(&after)
		if took, limit := after.TotalAlloc-before.TotalAlloc, uint64(4<<20+500*len(text)); took > limit {
			t.Errorf("a list of %d bytes made fx allocate %d, more than %d", len(text), took, limit)
		}
		if err != nil {
			if len(err.Error()) > 1_000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
			if kind := fail.KindOf(err); kind != fail.Usage && kind != fail.Rejected {
				t.Errorf("kind %d: %v", kind, err)
			}
			return
		}
		for _, i := range d.Items {
			if d.Classes[i.Label] != i.Class {
				t.Errorf("label %d is not %s", i.Label, i.Class)
			}
		}
	})
}
