package dataset_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"fx/internal/dataset"
	"fx/internal/fail"
)

func TestSplitsAreChosenByName(t *testing.T) {
	type splits = dataset.Splits
	type left = []dataset.LeftOut
	const none, optional, required = dataset.NoEvaluation, dataset.OptionalEvaluation, dataset.RequiredEvaluation
	for _, c := range []struct {
		have       []string
		train, val string
		evaluation dataset.Evaluation
		want       splits
		says, hint string // of the error
	}{
		{[]string{""}, "", "", optional, splits{}, "", ""},
		{[]string{"photos"}, "", "", optional, splits{Train: "photos"}, "", ""},
		{[]string{"train", "val"}, "", "", required, splits{Train: "train", Val: "val"}, "", ""},
		{[]string{"train", "valid"}, "", "", required, splits{Train: "train", Val: "valid"}, "", ""},
		{[]string{"Training", "Validation "}, "", "", required, splits{Train: "Training", Val: "Validation "}, "", ""},
		{[]string{"test", "train"}, "", "", required, splits{Train: "train", Val: "test", TestForVal: true}, "", ""},
		{[]string{"test", "val"}, "val", "", required, splits{Train: "val", Val: "test", TestForVal: true}, "", ""},
		{[]string{"test", "train"}, "", "test", required, splits{Train: "train", Val: "test"}, "", ""},

		{[]string{"test", "train", "val"}, "", "", required,
			splits{Train: "train", Val: "val", LeftOut: left{{"test", dataset.HeldForTest}}}, "", ""},
		{[]string{"train", "training", "val", "valid"}, "", "", required,
			splits{Train: "train", Val: "val", LeftOut: left{{"training", dataset.PartTaken},
				{"valid", dataset.PartTaken}}}, "", ""},
		{[]string{"a", "b", "val"}, "b", "a", required,
			splits{Train: "b", Val: "a", LeftOut: left{{"val", dataset.PartTaken}}}, "", ""},
		{[]string{"", "extra", "train"}, "", "", optional,
			splits{Train: "train", LeftOut: left{{"", dataset.UnusualName}, {"extra", dataset.UnusualName}}}, "", ""},
		{[]string{"test", "train", "val"}, "", "", none,
			splits{Train: "train", LeftOut: left{{"test", dataset.HeldForTest},
				{"val", dataset.NotEvaluated}}}, "", ""},

		{[]string{"a", "b"}, "", "", none, splits{}, "data has no split to train on",
			"It has the splits a, b. Advice."},
		{[]string{""}, "", "", required, splits{}, "data has no split to evaluate on", "It has no splits. Advice."},
		{[]string{"", "train"}, "", "", required, splits{}, "data has no split to evaluate on",
			"It has the splits train, photos without a split. Advice."},
		{[]string{"train", "val"}, "Train", "", none, splits{}, `data has no split "Train"`,
			"It has the splits train, val."},
		{[]string{"train"}, "", "val", required, splits{}, `data has no split "val"`, "It has the one split train."},
		{[]string{"train", "val"}, "", "train", required, splits{},
			`the split "train" of data can't be both trained on and evaluated on`, "Name two splits."},
	} {
		got, err := dataset.ChooseSplits(dataset.SplitRequest{
			From: "data", Have: c.have, Train: c.train, Val: c.val, Evaluation: c.evaluation, Advice: "Advice.",
		})
		if c.says != "" {
			if fail.KindOf(err) != fail.Usage || err.Error() != c.says || fail.HintOf(err) != c.hint {
				t.Errorf("%q, %q, %q: %v; %s", c.have, c.train, c.val, err, fail.HintOf(err))
			}
		} else if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q, %q, %q: %+v, %v; want %+v", c.have, c.train, c.val, got, err, c.want)
		}
	}
}

func TestNotesOnSplits(t *testing.T) {
	s := dataset.Splits{Train: "train", Val: "test", TestForVal: true,
		LeftOut: []dataset.LeftOut{{"", dataset.UnusualName}, {"training", dataset.PartTaken}}}
	got := fmt.Sprint(strings.Join(append(s.BestEpochNotes(), s.Notes()...), "\n"))
	want := `there is no split "val": the best epoch was chosen by "test"
the photos without a split are left out: only splits called train, val or test are used
the split "training" is left out: another split has its part`
	if got != want {
		t.Error(got)
	}
}

// What to evaluate on: what was asked for, what the training evaluated on, the usual name, the only one.
func TestEvaluationSplit(t *testing.T) {
	for _, c := range []struct {
		have       []string
		asked, own string
		want, says string
	}{
		{[]string{"test", "train", "val"}, "train", "test", "train", ""},
		{[]string{"test", "train", "val"}, "", "test", "test", ""},
		{[]string{"test", "train", "val"}, "", "valid", "val", ""},
		{[]string{"test", "train"}, "", "val", "test", ""},
		{[]string{"photos"}, "", "val", "photos", ""},
		{[]string{""}, "", "0.2 of train", "", ""},
		{[]string{"a", "b"}, "", "val", "", "data has no split to evaluate on"},
		{[]string{"a", "b"}, "val", "val", "", `data has no split "val"`},
	} {
		got, err := dataset.EvaluationSplit("data", c.have, c.asked, c.own)
		if got != c.want || (c.says == "") != (err == nil) || err != nil &&
			(err.Error() != c.says || fail.KindOf(err) != fail.Usage) {
			t.Errorf("%q, %q, %q: %q, %v", c.have, c.asked, c.own, got, err)
		}
	}
}

// A data set answers for its photos, too.
func TestSplitsOfADataset(t *testing.T) {
	root := plant(t, t.TempDir(), "train/a/1.jpg", "train/b/1.jpg", "train/b/2.jpg", "val/a/1.jpg", "val/b/1.jpg")
	d := scan(t, root)
	request := dataset.SplitRequest{From: root, Evaluation: dataset.RequiredEvaluation}
	if s, err := d.ChooseSplits(request); err != nil || s.Train != "train" || s.Val != "val" {
		t.Errorf("%+v, %v", s, err)
	}
	request.Least = 2
	if _, err := d.ChooseSplits(request); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "train/a has 1 photo") {
		t.Errorf("one photo to train on: %v", err)
	}
	d.Items = d.Items[:3] // those of val turned out to be unusable
	if _, err := d.ChooseSplits(request); fail.KindOf(err) != fail.Rejected ||
		!strings.Contains(err.Error(), `no photo of the split "val"`) {
		t.Errorf("nothing to evaluate on: %v", err)
	}
	d.Items = d.Items[1:]
	if _, err := d.ChooseSplits(dataset.SplitRequest{From: root}); fail.KindOf(err) != fail.Usage ||
		!strings.Contains(err.Error(), "no usable photo of a to train on in train/") {
		t.Errorf("nothing to train on: %v", err)
	}
}
