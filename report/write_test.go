package report

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/report/page"
)

func TestWrite(t *testing.T) {
	w := newWorkshop(t)
	out := filepath.Join(w.dir, "new", "folder", "mine.html")
	made, err := Write(t.Context(), Options{Runs: []string{w.a, w.b}, Out: out}, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(made.Pictures, made.HTML) {
		if info, err := os.Stat(path); err != nil || info.Size() < 2000 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if len(made.Pictures) != 3 || made.Pictures[0] != filepath.Join(w.dir, "new", "folder", "mine-accuracy.png") ||
		made.HTML != out || made.Bytes < 10_000 {
		t.Errorf("made %+v", made)
	}
	if len(made.Table) != 1 || made.Table[0].Runs != 2 || made.Table[0].BestValAccuracy != 0.75 ||
		made.Table[0].SD != 0 {
		t.Errorf("table %+v", made.Table)
	}
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(t.Context(), Options{Runs: []string{w.a, w.b}, Out: out}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(out); err != nil || string(again) != string(first) {
		t.Errorf("the second report of the same runs has other bytes (%v)", err)
	}
}

func TestWhereTheReportGoes(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Runs: []string{"model"}}, filepath.Join("model", "report.html")},
		{Options{Runs: []string{"a", "b"}}, "fx-report.html"},
		{Options{Runs: []string{"a", "b"}, Out: "page.HTML"}, "page.HTML"},
		{Options{Runs: []string{"a"}, Out: "page.pdf"}, ""},
	} {
		got, err := c.o.file()
		if c.want == "" && (fail.KindOf(err) != fail.Usage || !strings.Contains(err.Error(), "page.pdf")) {
			t.Errorf("%+v: %v", c.o, err)
		} else if got != c.want {
			t.Errorf("%+v goes to %q, want %q", c.o, got, c.want)
		}
	}
}

func ExampleWrite() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	photos, features, model := filepath.Join(dir, "photos"), filepath.Join(dir, "features"), filepath.Join(dir, "model")
	// `fx extract` and `fx fit-head` do this
	for _, err := range []error{makePhotos(photos, 4), makeStore(features, photos, "w"),
		makeHead(model, features, 0, 0.5)} {
		if err != nil {
			panic(err)
		}
	}
	made, err := Write(context.Background(), Options{Runs: []string{model}}, progress.Discard)
	fmt.Println(filepath.Base(made.HTML), len(made.Pictures), made.Table[0].Mode, made.Table[0].BestValAccuracy, err)
	// Output: report.html 3 feature-extraction 0.75 <nil>
}

func TestLearnedIsASentence(t *testing.T) {
	for mode, want := range map[string]string{
		modeldir.FeatureExtraction: "A classifier on the features of resnet18 learned",
		modeldir.Finetune:          "resnet18 was finetuned",
		modeldir.Scratch:           "resnet18 was trained from scratch",
	} {
		if got := learned(&run{shown: page.Run{Network: "resnet18", Mode: modeOf(mode)}}); got != want {
			t.Errorf("%s: %q", mode, got)
		}
	}
}
