package head

import (
	"math"

	"fx/internal/fail"
	"fx/internal/random"
)

// Split divides the photos of d, stratified by class and drawn by seed, for a
// store that has no val split. Of a class with n photos round(fraction·n) go to
// val, but at least one and never all; a class of one photo stays in train. All
// views of a photo go together, and photos keep their order. A fraction outside
// (0, 1), or photos too few to divide, are errors of kind fail.Usage.
func Split(d Data, fraction float64, seed uint64) (train, val Data, err error) {
	if !(fraction > 0 && fraction < 1) {
		return Data{}, Data{}, fail.New(fail.Usage, "Give --val-fraction a number such as 0.2.", "val fraction %g is not between 0 and 1", fraction)
	}
	byClass := map[int][]int{}
	for i, p := range d.Photos {
		byClass[p.Label] = append(byClass[p.Label], i)
	}
	inVal := make([]bool, len(d.Photos))
	for label, photos := range byClass {
		n := len(photos)
		take := min(max(int(math.Round(fraction*float64(n))), 1), n-1)
		order := random.New(seed, "val split", uint64(label)).Perm(n)
		for _, i := range order[:take] {
			inVal[photos[i]] = true
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
		return Data{}, Data{}, fail.New(fail.Usage, "Give at least two photos of each class.", "%d photos are too few to set some aside for validation", len(d.Photos))
	}
	return train, val, nil
}
