package dataset

import (
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

// Splits are the parts that the splits of a data set play in a training.
type Splits struct {
	Train      string   // to learn from; also "" where the data set has no splits
	Val        string   // to evaluate on, "" for none
	TestForVal bool     // Val is called test and was not asked for: there is no split called val
	Unused     []string // the others
}

// ChooseSplits gives the splits of a data set their parts, alike for every
// command. train and val are the names that the user gave, "" for none: then
// the split to learn from is the only one or the one called train, and the one
// to evaluate on is called val, valid or validation, else test. Names that were
// given are returned as they are, and a train split that is not there is called
// "train": the caller refuses what have lacks.
func ChooseSplits(have []string, train, val string) Splits {
	s := Splits{Train: train, Val: val}
	if train == "" && len(have) == 1 {
		s.Train = have[0]
	} else if train == "" {
		if s.Train = named(have, trainNames); s.Train == "" {
			s.Train = trainNames[0]
		}
	}
	if val == "" {
		s.Val, s.TestForVal = ValSplit(have, s.Train)
	}
	for _, split := range have {
		if split != s.Train && split != s.Val {
			s.Unused = append(s.Unused, split)
		}
	}
	return s
}

// ValSplit returns the split that people mean to evaluate on, by its name, or
// "". It is not the one called train. test tells that it is called test.
func ValSplit(have []string, train string) (name string, test bool) {
	others := slices.DeleteFunc(slices.Clone(have), func(split string) bool { return split == train })
	if name = named(others, valNames); name != "" {
		return name, false
	}
	name = named(others, testNames)
	return name, name != ""
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
			return fail.New(fail.Usage, "It has "+enumerate(d.Splits, "")+".", "%s has no split %q", d.Root, name)
		}
	}
	d.Splits = splits
	d.Items = slices.DeleteFunc(d.Items, func(item Item) bool { return !slices.Contains(splits, item.Split) })
	d.Refused = slices.DeleteFunc(d.Refused, func(r Refused) bool { return !slices.Contains(splits, r.Split) })
	return nil
}
