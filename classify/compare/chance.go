package compare

import (
	"context"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"fx/classify"
	"fx/internal/fail"
	"fx/internal/modeldir"
	"fx/internal/store"
)

// Methods of evaluating a difference of accuracies.
const (
	mcNemar      = "McNemar's exact test"
	agrestiCaffo = "95 % interval of Agresti and Caffo"
)

// exactMcNemar returns the two-sided p-value of the test that two classifiers err equally often, from the numbers of
// photos that only one of them classifies correctly. Source: McNemar, Psychometrika 12 (1947), in the exact form;
// scipy.stats.binomtest(b, b+c).
func exactMcNemar(onlyA, onlyB int) float64 {
	n := onlyA + onlyB
	if n == 0 {
		return 1
	}
	return min(1, 2*distuv.Binomial{N: float64(n), P: 0.5}.CDF(float64(min(onlyA, onlyB))))
}

// intervalOfDifference returns the 95 % interval of the difference of two proportions, b − a, of independent samples:
// Wald's, after one success and one failure are added to each, so it is valid for few photos and for accuracies of 0
// and 1. Source: Agresti and Caffo, The American Statistician 54 (2000).
func intervalOfDifference(rightA, photosA, rightB, photosB int) (low, high float64) {
	share := func(right, photos int) (p, variance float64) {
		n := float64(photos + 2)
		p = float64(right+1) / n
		return p, p * (1 - p) / n
	}
	pa, va := share(rightA, photosA)
	pb, vb := share(rightB, photosB)
	half := distuv.UnitNormal.Quantile(0.975) * math.Sqrt(va+vb)
	return pb - pa - half, pb - pa + half
}

// pairs counts the val photos that only one of two MODELs classifies correctly. found is false if a MODEL's store is
// missing or no longer gives its accuracy, or if they were evaluated on different photos.
func pairs(ctx context.Context, a, b string, ma, mb modeldir.Model) (onlyA, onlyB int, found bool, err error) {
	va, err := verdicts(ctx, a, ma)
	if va == nil || err != nil {
		return 0, 0, false, err
	}
	vb, err := verdicts(ctx, b, mb)
	if vb == nil || len(va) != len(vb) || err != nil {
		return 0, 0, false, err
	}
	for photo, rightA := range va {
		rightB, both := vb[photo]
		switch {
		case !both:
			return 0, 0, false, nil
		case rightA && !rightB:
			onlyA++
		case rightB && !rightA:
			onlyB++
		}
	}
	return onlyA, onlyB, true, nil
}

// photo identifies a photo, and distinguishes copies under other names.
type photo struct {
	path   string // within the data
	sha256 store.SHA256
}

// verdicts evaluates a MODEL of fit-head on its val photos in the store that it was trained on. It returns nil if the
// store is gone or has been replaced. The error is for a damaged store.
func verdicts(ctx context.Context, dir string, m modeldir.Model) (map[photo]bool, error) {
	if m.Features == "" {
		return nil, nil
	}
	_, all, err := classify.EvaluatePhotos(ctx, dir, m.Features, nil)
	if fail.KindOf(err) == fail.Usage {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	byPhoto, right := map[photo]bool{}, 0
	for _, p := range all {
		byPhoto[photo{p.Path, p.SHA256}] = p.Class == p.Label
		if p.Class == p.Label {
			right++
		}
	}
	same := math.Abs(float64(right)/float64(len(all))-m.Metrics.BestValAccuracy) < 1e-9
	if !same || len(all) != m.Metrics.ValPhotos { // the store has changed
		return nil, nil
	}
	return byPhoto, nil
}
