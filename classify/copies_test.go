package classify

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fx/head"
	"fx/internal/dataset"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/rangetest"
	"fx/internal/store"
)

// copiesStore has five copies of each of 40 photos, in one split.
func copiesStore(t *testing.T) string {
	t.Helper()
	photos := some("train", 100)
	for i := range photos {
		photos[i].content = fmt.Sprintf("%s %d", photos[i].class, i%100/5)
	}
	return storeOf(t, photos)
}

// A head must not be evaluated on copies of what it trained on.
func TestHeldOutPhotosAreNoCopiesOfThoseLearnedFrom(t *testing.T) {
	features := copiesStore(t)
	o := fitOptions(features, filepath.Join(t.TempDir(), "model"))
	o.ValFraction = 0.2
	fitted, err := Fit(t.Context(), o, nil, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if fitted.TrainPhotos != 160 || fitted.ValPhotos != 40 ||
		!strings.Contains(strings.Join(fitted.Notes, "; "), "160 of the 200 photos are copies of others") {
		t.Errorf("%d photos to train on, %d to evaluate on, notes %q", fitted.TrainPhotos, fitted.ValPhotos,
			fitted.Notes)
	}
	s, err := store.Open(t.Context(), features, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	train, val, _, err := trainAndVal(s, o)
	if err != nil {
		t.Fatal(err)
	}
	if leaked := leakNotes(s, train, val); leaked != nil {
		t.Error(leaked)
	}
	// fx eval draws the same photos again, of a MODEL of today and of one that drew each photo.
	m, _, err := modeldir.Load(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	again, _, notes, err := evaluationPhotos(s, m, "", features)
	if err != nil || fmt.Sprint(again.Photos) != fmt.Sprint(val.Photos) || len(notes) != 0 {
		t.Errorf("drawn again: %d photos, notes %q, %v", len(again.Photos), notes, err)
	}
	all, err := dataOf(s, "train")
	if err != nil {
		t.Fatal(err)
	}
	_, before, err := head.Split(all, 0.2, o.Seed, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Metrics.CopiesTogether = false
	again, _, notes, err = evaluationPhotos(s, m, "", features)
	if err != nil || fmt.Sprint(again.Photos) != fmt.Sprint(before.Photos) ||
		!strings.Contains(fmt.Sprint(notes), "are copies of photos trained on") {
		t.Errorf("drawn again as by an older fx: %d photos, notes %q, %v", len(again.Photos), notes, err)
	}
}

// Copies on both sides of splits that the user made, and with two labels, are told of.
func TestCopiesAreToldOf(t *testing.T) {
	photos := append(some("train", 10), some("val", 5)...)
	photos[0].content, photos[20].content = "leak", "leak"
	photos[5].content, photos[15].content = "both classes", "both classes"
	fitted, err := Fit(t.Context(), fitOptions(storeOf(t, photos), filepath.Join(t.TempDir(), "model")), nil,
		progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(fitted.Notes, "; ")
	for _, want := range []string{
		"1 of the 10 val photos is a copy of a photo trained on",
		"2 of the 30 photos are copies of others",
		"copies lie in different classes, such as " + photos[5].path(5) + " and " + photos[15].path(15),
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q lacks %q", notes, want)
		}
	}
}

// A class that has photos and none to train on is refused by whatever learns.
func TestAClassThatNothingCanBeLearnedOf(t *testing.T) {
	photos := slices.DeleteFunc(append(some("train", 10), some("val", 5)...), func(p photo) bool {
		return p.class == "bees" && p.split == "train"
	})
	features := storeOf(t, photos)
	want := "no usable photo of bees to train on"
	check := func(what string, err error) {
		t.Helper()
		if fail.KindOf(err) != fail.Usage || !strings.Contains(fmt.Sprint(err), want) || fail.HintOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	o := fitOptions(features, filepath.Join(t.TempDir(), "model"))
	_, err := Fit(t.Context(), o, nil, progress.Discard)
	check("fit", err)
	o.ValFraction = 0.2
	_, err = Fit(t.Context(), o, nil, progress.Discard)
	check("fit with a val fraction", err)
	_, err = RangeTest(t.Context(), o, rangetest.Defaults(), progress.Discard)
	check("range test", err)
	_, err = fitted(t, features, dataset.Splits{Train: "train", Val: "val"})
	check("quickstart", err)
	one := append(photos, photo{split: "train", class: "bees", kind: 1})
	o.ValFraction = 0
	o.Features = storeOf(t, one)
	if _, err := Fit(t.Context(), o, nil, progress.Discard); err != nil {
		t.Errorf("one photo of a class: %v", err)
	}
}
