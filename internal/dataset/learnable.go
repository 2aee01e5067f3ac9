package dataset

import (
	"fmt"

	"fx/internal/fail"
)

// CheckLearnable returns an error for classes with fewer than least photos to train on, of which a classifier would
// only know the names. counts has the photos of each class in the split to train on, "" for a data set without splits;
// what says which photos were counted, such as "usable photo". The error is of kind fail.Usage.
func CheckLearnable(classes []string, counts []int, least int, split, what string) error {
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
			fmt.Sprintf("Give every class photos%s that can be read (what is rejected or skipped is listed with its "+
				"reason), "+
				"or move all photos of the class away.", where),
			"no usable photo of %s to train on%s", enumerate(none, ""), where)
	}
	for i, class := range classes {
		if counts[i] >= least {
			continue
		}
		if split != "" {
			class = split + "/" + class
		}
		return fail.New(fail.Usage, "Two are the least, twenty or more are better; or take the folder away.",
			"the class %s has %d %s%s to train on", class, counts[i], what, plural(counts[i]))
	}
	return nil
}
