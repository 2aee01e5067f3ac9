package dataset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
)

// Usual names of splits, the most usual first. Classes hardly ever have them.
var (
	trainNames = []string{"train", "training"}
	valNames   = []string{"val", "valid", "validation"}
	testNames  = []string{"test", "testing", "eval"}
)

// customary reports whether the name is a usual one for a split.
func customary(name string) bool {
	return named([]string{name}, slices.Concat(trainNames, valNames, testNames)) != ""
}

// named returns the first of the splits that has one of the names, in the order of the names, or "". It ignores case
// and blanks around a name.
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

// SplitRequest is a command's request for the splits of a data set.
type SplitRequest struct {
	From       string   // the folder, list or store, for messages
	Have       []string // its splits: Dataset.Splits or those of a store
	Train, Val string   // names that the user gave; "" chooses by the usual names
	Evaluation Evaluation
	Least      int    // photos of each class to train on; 0 means 1
	Advice     string // a sentence that ends the hint if a split is lacking, about what the command offers
}

// Evaluation is whether a command evaluates on a split.
type Evaluation int

const (
	NoEvaluation       Evaluation = iota // it only trains
	OptionalEvaluation                   // if there is a split for it
	RequiredEvaluation                   // it needs such a split
)

// Splits are the roles of a data set's splits in a training.
type Splits struct {
	Train      string // to train on; also "" if the data set has no splits
	Val        string // to evaluate on, "" for none
	TestForVal bool   // Val is called test and the user did not name it: no split is called val
	LeftOut    []LeftOut
}

// LeftOut is a split without a role in a training.
type LeftOut struct {
	Split  string // "" for the photos of a list that have no split
	Reason LeftOutReason
}

// LeftOutReason is why a split is left out.
type LeftOutReason int

const (
	UnusualName  LeftOutReason = iota // neither train nor val nor test
	HeldForTest                       // called test, and not needed instead of val
	NotEvaluated                      // called val, but the command does not evaluate
	PartTaken                         // another split has its role, by the user's choice or a more usual name
)

func (r LeftOutReason) String() string {
	return [...]string{
		UnusualName:  "only splits called train, val or test are used",
		HeldForTest:  "it is kept for a test",
		NotEvaluated: "nothing is evaluated on it",
		PartTaken:    "another split has its part",
	}[r]
}

// Uses reports whether the split is used for training or evaluation.
func (s Splits) Uses(split string) bool {
	return split == s.Train || s.Val != "" && split == s.Val
}

// Notes returns the notes about splits that are left out.
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

// BestEpochNotes returns a warning if the test split chooses the best epoch, for trainings that choose it by Val.
func (s Splits) BestEpochNotes() []string {
	if !s.TestForVal {
		return nil
	}
	return []string{fmt.Sprintf("there is no split \"val\": the best epoch was chosen by %q", s.Val)}
}

// ChooseSplits chooses the roles of a data set's splits. Every command uses it. If the user names none, the split for
// training is the only one or the one called train, and the one for evaluation is called val, valid or validation,
// else test. Errors of kind fail.Usage: a name that no split has, a split that is lacking, one split for both roles.
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

// ChooseSplits is the function of that name for the splits of d. It also returns the errors of CheckLearnable, and
// fail.Rejected if evaluation is required and its split has no usable photo.
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

// NoneUsable returns the error for a split all of whose photos are unusable.
func NoneUsable(from, split string) error {
	return fail.New(fail.Rejected, "What is rejected or skipped is listed with its reason.",
		"no photo of the split %q of %s can be used", split, from)
}

// EvaluationSplit returns the split to evaluate a trained model on: the one that the user asked for, else own, on
// which the training evaluated, else the one with the usual name, else the only one. Otherwise the error is of kind
// fail.Usage.
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

// usualForEvaluation returns the split other than train with a usual name for evaluation, or "". test reports that it
// is called test.
func usualForEvaluation(have []string, train string) (name string, test bool) {
	others := slices.DeleteFunc(slices.Clone(have), func(split string) bool { return split == train })
	if name = named(others, valNames); name != "" {
		return name, false
	}
	name = named(others, testNames)
	return name, name != ""
}

// lacking returns the error for a data set without a split for a purpose.
func (r SplitRequest) lacking(purpose string) error {
	return fail.New(fail.Usage, "It has "+enumerateSplits(r.Have)+". "+r.Advice, "%s has no split to %s", r.From,
		purpose)
}

// noSplit returns the error for a name that no split has.
func noSplit(from, name string, have []string) error {
	return fail.New(fail.Usage, "It has "+enumerateSplits(have)+".", "%s has no split %q", from, name)
}

// enumerateSplits lists splits for a sentence.
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

// SkippedIn returns Skipped without the files in other splits than the named ones.
func (d *Dataset) SkippedIn(splits ...string) []Skipped {
	return slices.DeleteFunc(slices.Clone(d.Skipped), func(s Skipped) bool {
		rel, err := filepath.Rel(d.Root, s.Path)
		first, _, below := strings.Cut(filepath.ToSlash(rel), "/")
		return err == nil && below && slices.Contains(d.Splits, first) && !slices.Contains(splits, first)
	})
}

// Keep drops the items of other splits than the named ones. Classes stay the same. The error is of kind fail.Usage for
// a name that no split has.
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
