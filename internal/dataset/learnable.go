package dataset

import (
	"fmt"
	"slices"

	"fx/internal/fail"
)

// CheckLearnable refuses classes of which fewer than least photos can be
// learned from: a classifier would know their names and nothing else. counts
// has the usable photos of each class in the split to learn from, "" for a data
// set without splits. The error is of kind fail.Usage.
func CheckLearnable(classes []string, counts []int, least int, split string) error {
	var none []string
	for i, class := range classes {
		if counts[i] == 0 {
			none = append(none, class)
		}
	}
	where := ""
	if split != "" {
		where = " in " + split + "/"
	}
	if len(none) > 0 {
		return fail.New(fail.Usage,
			fmt.Sprintf("Give every class photos%s that can be read (what was rejected or skipped is listed with its reason), or move all photos of the class away.", where),
			"no usable photo of %s to learn from%s", enumerate(none, ""), where)
	}
	for i, class := range classes {
		if counts[i] >= least {
			continue
		}
		if split != "" {
			class = split + "/" + class
		}
		return fail.New(fail.Usage, "Two are the least, twenty or more are better; or take the folder away.",
			"the class %s has %d photo%s to learn from", class, counts[i], plural(counts[i]))
	}
	return nil
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
	return nil
}
