package classify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fx/internal/modeldir"
	"fx/internal/progress"
	"fx/internal/training"
)

// Photos that moved from train to val, labels that were swapped, photos that came: each
// evaluation says that the store is not the training's, and how many photos the head knows.
func TestAnEvaluationTellsOfPhotosThatWereLearnedFrom(t *testing.T) {
	const changedNote = "the store has changed since the training"
	before := append(some("train", 10), some("val", 5)...)
	for i := range before {
		before[i].content = fmt.Sprint("photo ", i) // its place may change
	}
	for name, c := range map[string]struct {
		edit    func(photos []photo) []photo
		learned string
	}{
		"nothing": {func(photos []photo) []photo { return photos }, ""},
		"photos moved": {func(photos []photo) []photo {
			photos[0].split, photos[11].split = "val", "val"
			return photos
		},
			"the model was trained on 2 of these 12 photos"},
		"labels":             {func(photos []photo) []photo { photos[20].class = "bees"; return photos }, ""},
		"another photo":      {func(photos []photo) []photo { return append(photos, some("val", 6)[5]) }, ""},
		"a train photo less": {func(photos []photo) []photo { return photos[1:] }, ""},
	} {
		features, model := storeOf(t, before), filepath.Join(t.TempDir(), "model")
		if _, err := Fit(t.Context(), fitOptions(features, model), nil, progress.Discard); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(features); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(storeOf(t, c.edit(append([]photo{}, before...))), features); err != nil {
			t.Fatal(err)
		}
		check := func(where string, changedToo bool) {
			t.Helper()
			e, err := EvaluateStore(t.Context(), model, where, "")
			notes := strings.Join(e.Notes, "\n")
			if err != nil || strings.Contains(notes, changedNote) != (name != "nothing" && changedToo) {
				t.Errorf("%s: notes %q, %v", name, notes, err)
			}
			told := strings.Contains(notes, "trained on")
			if c.learned == "" && told || !strings.Contains(notes, c.learned) {
				t.Errorf("%s: notes %q", name, notes)
			}
		}
		check(features, true)
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(features, link); err != nil {
			t.Fatal(err)
		}
		check(link, true)
		// A MODEL of an older fx knows the number of its photos.
		m, p, err := modeldir.Load(model)
		if err != nil {
			t.Fatal(err)
		}
		m.Metrics.LearnedFrom, m.Metrics.PhotosSHA256 = nil, ""
		if err := modeldir.Save(model, m, p); err != nil {
			t.Fatal(err)
		}
		c.learned = ""
		check(features, name != "labels")
	}
}

// A MODEL records the penalty that it was trained with, not that none was given.
func TestTheDefaultPenaltyIsRecorded(t *testing.T) {
	features, out := newStore(t, manifest(), "train", "val"), filepath.Join(t.TempDir(), "model")
	o := fitOptions(features, out)
	o.Solver = training.LBFGS
	if _, err := Fit(t.Context(), o, nil, progress.Discard); err != nil {
		t.Fatal(err)
	}
	m, _, err := modeldir.Load(out)
	if err != nil || m.Options["l2"] != 1/20. {
		t.Errorf("l2 %v of 20 photos, %v", m.Options["l2"], err)
	}
}
