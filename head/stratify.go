package head

import (
	"fx/internal/fail"
	"fx/internal/random"
)

// stratify assigns the groups of photos to folds, class by class and in an order drawn
// by seed: each fold gets about its share of each class and of all photos. A class may
// have fewer photos than there are folds, but every head must be trained on it: a class
// with one group is an error of kind fail.Usage.
func stratify(l Layout, d Data, o CrossValidationOptions) (fold []int, folds int, err error) {
	folds = o.Folds
	if folds == 0 {
		folds = defaultFolds
	}
	if folds < 2 {
		return nil, 0, fail.New(fail.Usage, "Give at least two folds.", "%d folds", folds)
	}
	if o.Groups != nil && len(o.Groups) != len(d.Photos) {
		return nil, 0, fail.New(fail.Usage, "Give one group for each photo.", "%d groups for %d photos",
			len(o.Groups), len(d.Photos))
	}
	// A group has the class of its first photo.
	byClass := make([][][]int, l.Classes) // [class][group] photos
	type place struct{ class, at int }
	known := map[int]place{}
	groups := 0
	for i, p := range d.Photos {
		if o.Groups != nil {
			if at, ok := known[o.Groups[i]]; ok {
				byClass[at.class][at.at] = append(byClass[at.class][at.at], i)
				continue
			}
			known[o.Groups[i]] = place{p.Label, len(byClass[p.Label])}
		}
		byClass[p.Label] = append(byClass[p.Label], []int{i})
		groups++
	}
	for class, of := range byClass {
		if len(of) < 2 {
			return nil, 0, fail.New(fail.Usage, "Give each class two photos or more.",
				"class %d has %d distinct photos, too few for cross-validation", class, len(of))
		}
	}
	folds = min(folds, groups)
	fold = make([]int, len(d.Photos))
	next := 0 // continues from class to class, so that the folds have the same size
	for class, of := range byClass {
		for _, g := range random.New(o.Seed, "cross-validation", uint64(class)).Perm(len(of)) {
			for _, photo := range of[g] {
				fold[photo] = next
			}
			next = (next + 1) % folds
		}
	}
	return fold, folds, nil
}
