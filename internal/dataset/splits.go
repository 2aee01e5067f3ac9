package dataset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
)

// Names that people give to splits, and hardly ever to classes; the most usual first.
var (
	trainNames = []string{"train", "training"}
	valNames   = []string{"val", "valid", "validation"}
	testNames  = []string{"test", "testing", "eval"}
)

// customary tells whether people call splits so.
func customary(name string) bool {
	return named([]string{name}, slices.Concat(trainNames, valNames, testNames)) != ""
}

// named returns the first of the splits that is called by one of the names, in
// their order, or "". Case and blanks around a name don't count.
func named(splits, names []string) string {
	for _, name := range names {
		if slices.Contains(splits, name) {
			return name
		}
		for _, split := range splits {
			if strings.EqualFold(strings.TrimSpace(split), name) {
				return split
			}
		}
	}
	return ""
}

// SplitRequest is what a command asks of the splits of a data set.
type SplitRequest struct {
	From       string   // the folder, list or store, as messages name it
	Have       []string // its splits: Dataset.Splits or those of a store
	Train, Val string   // names that the user gave, "" to choose by the usual names
	Evaluation Evaluation
	Least      int    // photos of each class to train on; 0 means 1
	Advice     string // ends the hint where a split is lacking: a sentence on what the command offers
}

// Evaluation tells whether a command evaluates on a split of its own.
type Evaluation int

// Whether a command evaluates.
const (
	NoEvaluation       Evaluation = iota // it only learns
	OptionalEvaluation                   // on the split for it, where there is one
	RequiredEvaluation                   // without such a split it is refused
)

// Splits are the parts that the splits of a data set play in a training.
type Splits struct {
	Train      string // to train on; also "" where the data set has no splits
	Val        string // to evaluate on, "" for none
	TestForVal bool   // Val is called test and was not asked for: there is no split called val
	LeftOut    []LeftOut
}

// LeftOut is a split that has no part in a training.
type LeftOut struct {
	Split  string // "" for the photos of a list that have no split
	Reason LeftOutReason
}

// LeftOutReason is why a split is left out.
type LeftOutReason int

// Why splits are left out.
const (
	UnusualName  LeftOutReason = iota // it is called neither train nor val nor test
	HeldForTest                       // it is called test, and not needed in the place of val
	NotEvaluated                      // it is called val, and the command evaluates on no split
	PartTaken                         // another split has its part: the user's choice, or of a more usual name
)

func (r LeftOutReason) String() string {
	return [...]string{
		UnusualName:  "only splits called train, val or test are used",
		HeldForTest:  "it is kept for a test",
		NotEvaluated: "nothing is evaluated on it",
		PartTaken:    "another split has its part",
	}[r]
}

// Uses tells whether photos of the split are trained on or evaluated on.
func (s Splits) Uses(split string) bool {
	return split == s.Train || s.Val != "" && split == s.Val
}

// Notes tell which splits are left out, and why.
func (s Splits) Notes() []string {
	var notes []string
	for _, l := range s.LeftOut {
		what := fmt.Sprintf("the split %q is", l.Split)
		if l.Split == "" {
			what = "the photos without a split are"
		}
		notes = append(notes, fmt.Sprintf("%s left out: %s", what, l.Reason))
	}
	return notes
}

// BestEpochNotes warn of a test split that chose the best epoch, for trainings that choose one by Val.
func (s Splits) BestEpochNotes() []string {
	if !s.TestForVal {
		return nil
	}
	return []string{fmt.Sprintf("there is no split \"val\": the best epoch was chosen by %q", s.Val)}
}

// ChooseSplits gives the splits of a data set their parts, alike for every
// command. Where the user names none, the split to train on is the only one or
// the one called train, and the one to evaluate on is called val, valid or
// validation, else test. Names that no split has, splits that are lacking and one
// split for both parts are errors of kind fail.Usage.
func ChooseSplits(r SplitRequest) (Splits, error) {
	for _, name := range []string{r.Train, r.Val} {
		if name != "" && !slices.Contains(r.Have, name) {
			return Splits{}, noSplit(r.From, name, r.Have)
		}
	}
	s := Splits{Train: r.Train, Val: r.Val}
	if r.Train == "" {
		if s.Train = named(r.Have, trainNames); s.Train == "" && len(r.Have) == 1 {
			s.Train = r.Have[0]
		} else if s.Train == "" {
			return Splits{}, r.lacking("train on")
		}
	}
	if r.Val == "" && r.Evaluation != NoEvaluation {
		s.Val, s.TestForVal = usualForEvaluation(r.Have, s.Train)
	}
	switch {
	case r.Val != "" && s.Val == s.Train:
		return Splits{}, fail.New(fail.Usage, "Name two splits.",
			"the split %q of %s can't be both trained on and evaluated on", s.Train, r.From)
	case r.Evaluation == RequiredEvaluation && s.Val == "":
		return Splits{}, r.lacking("evaluate on")
	}
	for _, split := range r.Have {
		if !s.Uses(split) {
			s.LeftOut = append(s.LeftOut, LeftOut{split, s.reasonFor(split)})
		}
	}
	return s, nil
}

func (s Splits) reasonFor(split string) LeftOutReason {
	one := []string{split}
	switch {
	case named(one, testNames) != "":
		return HeldForTest
	case named(one, valNames) != "" && s.Val == "":
		return NotEvaluated
	case customary(split):
		return PartTaken
	}
	return UnusualName
}

// ChooseSplits is the function of that name for the splits of d. It also refuses,
// as CheckLearnable does, a class of which there is nothing to learn, and a split
// to evaluate on without a usable photo, where one is required: fail.Rejected.
func (d *Dataset) ChooseSplits(r SplitRequest) (Splits, error) {
	r.Have = d.Splits
	s, err := ChooseSplits(r)
	if err != nil {
		return s, err
	}
	ofVal := func(item Item) bool { return item.Split == s.Val }
	if r.Evaluation == RequiredEvaluation && !slices.ContainsFunc(d.Items, ofVal) {
		return s, NoneUsable(r.From, s.Val)
	}
	return s, CheckLearnable(d.Classes, d.Count(s.Train), max(r.Least, 1), s.Train, "photo")
}

// NoneUsable is the error for a split that has only photos that can't be used.
func NoneUsable(from, split string) error {
	return fail.New(fail.Rejected, "What is rejected or skipped is listed with its reason.",
		"no photo of the split %q of %s can be used", split, from)
}

// EvaluationSplit returns the split to evaluate a trained model on: the one that
// the user asked for, else own, on which the training evaluated, else the one with
// the usual name, else the only one. Anything else is an error of kind fail.Usage.
func EvaluationSplit(from string, have []string, asked, own string) (string, error) {
	usual, _ := usualForEvaluation(have, "")
	switch {
	case asked != "" && !slices.Contains(have, asked):
		return "", noSplit(from, asked, have)
	case asked != "":
		return asked, nil
	case own != "" && slices.Contains(have, own):
		return own, nil
	case usual == "" && len(have) == 1:
		return have[0], nil
	case usual == "":
		return "", SplitRequest{From: from, Have: have, Advice: "Name one with --split."}.lacking("evaluate on")
	}
	return usual, nil
}

// usualForEvaluation returns the split other than train that people mean to
// evaluate on, by its name, or "". test tells that it is called test.
func usualForEvaluation(have []string, train string) (name string, test bool) {
	others := slices.DeleteFunc(slices.Clone(have), func(split string) bool { return split == train })
	if name = named(others, valNames); name != "" {
		return name, false
	}
	name = named(others, testNames)
	return name, name != ""
}

// lacking is the error for a data set without a split for a purpose.
func (r SplitRequest) lacking(purpose string) error {
	return fail.New(fail.Usage, "It has "+enumerateSplits(r.Have)+". "+r.Advice, "%s has no split to %s", r.From,
		purpose)
}

// noSplit is the error for a name that no split has.
func noSplit(from, name string, have []string) error {
	return fail.New(fail.Usage, "It has "+enumerateSplits(have)+".", "%s has no split %q", from, name)
}

// enumerateSplits names splits within a sentence.
func enumerateSplits(splits []string) string {
	switch {
	case len(splits) == 1 && splits[0] == "":
		return "no splits"
	case len(splits) == 1:
		return "the one split " + splits[0]
	}
	names := slices.Clone(splits)
	if at := slices.Index(names, ""); at >= 0 {
		names = append(slices.Delete(names, at, at+1), "photos without a split")
	}
	return "the splits " + enumerate(names, "")
}

// Count returns the number of items of each class in a split.
func (d *Dataset) Count(split string) []int {
	counts := make([]int, len(d.Classes))
	for i := range d.Items {
		if d.Items[i].Split == split {
			counts[d.Items[i].Label]++
		}
	}
	return counts
}

// SkippedIn is Skipped without what lies in splits other than those named.
func (d *Dataset) SkippedIn(splits ...string) []Skipped {
	return slices.DeleteFunc(slices.Clone(d.Skipped), func(s Skipped) bool {
		rel, err := filepath.Rel(d.Root, s.Path)
		first, _, below := strings.Cut(filepath.ToSlash(rel), "/")
		return err == nil && below && slices.Contains(d.Splits, first) && !slices.Contains(splits, first)
	})
}

// Keep leaves the items of the named splits, and the classes as they were. A
// name that no split has is an error of kind fail.Usage.
func (d *Dataset) Keep(splits []string) error {
	for _, name := range splits {
		if !slices.Contains(d.Splits, name) {
			return noSplit(d.Root, name, d.Splits)
		}
	}
	d.Splits = splits
	d.Items = slices.DeleteFunc(d.Items, func(item Item) bool { return !slices.Contains(splits, item.Split) })
	d.Refused = slices.DeleteFunc(d.Refused, func(r Refused) bool { return !slices.Contains(splits, r.Split) })
	return nil
}
