package head

import (
	"math"

	"fx/internal/fail"
	"fx/internal/random"
)

// Split splits the photos of d, stratified by class and drawn by seed, for a store
// without a val split. val gets round(fraction·n) of a class's n photos, but at least
// one and never all; a class with one photo stays in train. All views of a photo stay
// together, and photos keep their order.
//
// groups has a number for each photo: photos with the same number are copies, which
// stay together and count as one of the n. Copies with different labels stay in train,
// because no answer is right for all of them. nil makes each photo a group.
//
// A fraction outside (0, 1) and too few photos are errors of kind fail.Usage.
func Split(d Data, fraction float64, seed uint64, groups []int) (train, val Data, err error) {
	if !(fraction > 0 && fraction < 1) {
		return Data{}, Data{}, fail.New(fail.Usage, "Give --val-fraction a number such as 0.2.",
			"val fraction %g is not between 0 and 1", fraction)
	}
	if groups != nil && len(groups) != len(d.Photos) {
		return Data{}, Data{}, fail.New(fail.Usage, "Give one group for each photo.",
			"%d groups for %d photos", len(groups), len(d.Photos))
	}
	inVal := make([]bool, len(d.Photos))
	for label, copies := range d.copiesByClass(groups) {
		n := len(copies)
		take := max(min(max(int(math.Round(fraction*float64(n))), 1), n-1), 0)
		order := random.New(seed, "val split", uint64(label)).Perm(n)
		for _, i := range order[:take] {
			for _, photo := range copies[i] {
				inVal[photo] = true
			}
		}
	}
	train, val = Data{Row: d.Row}, Data{Row: d.Row}
	for i, p := range d.Photos {
		if inVal[i] {
			val.Photos = append(val.Photos, p)
		} else {
			train.Photos = append(train.Photos, p)
		}
	}
	if len(val.Photos) == 0 {
		return Data{}, Data{}, fail.New(fail.Usage, "Give at least two photos of each class.",
			"%d photos are too few to set some aside for validation", len(d.Photos))
	}
	return train, val, nil
}

// copiesByClass returns the groups of each class as indexes of photos, ordered by their
// first photo. Groups with different labels are omitted.
func (d Data) copiesByClass(groups []int) map[int][][]int {
	members, mixed := map[int][]int{}, map[int]bool{}
	if groups != nil {
		for i, p := range d.Photos {
			g := groups[i]
			mixed[g] = mixed[g] || len(members[g]) > 0 && d.Photos[members[g][0]].Label != p.Label
			members[g] = append(members[g], i)
		}
	}
	byClass := map[int][][]int{}
	for i, p := range d.Photos {
		copies := []int{i}
		if groups != nil {
			if copies = members[groups[i]]; copies[0] != i || mixed[groups[i]] {
				continue
			}
		}
		byClass[p.Label] = append(byClass[p.Label], copies)
	}
	return byClass
}
