package head

import (
	"context"
	"math"
	"slices"

	"fx/internal/fail"
	"fx/internal/metrics"
	"fx/internal/progress"
)

// CrossValidationOptions of CrossValidate. The zero value is ready to use.
type CrossValidationOptions struct {
	Folds int // 0 means 5; fewer if there are fewer photos
	Seed  uint64
	// L2 are the penalties to try, see Options.L2; nil means penalties of the data.
	L2 []float64
	// SGD trains a head that is not linear, and so has no penalty to choose. Val photos choose no epoch.
	SGD Options
	// Groups has a number for each photo: photos with the same number share a fold,
	// so that a head is never evaluated on a copy of a training photo. nil makes
	// each photo a group.
	Groups []int
	// Tolerance is the largest absolute derivative at which a fit stops; 0
	// means 1e-5, with which held-out losses have four digits (scikit-learn
	// stops at 1e-4).
	Tolerance float64
}

// CrossValidation is the result of CrossValidate.
type CrossValidation struct {
	Folds int       `json:"folds"`
	Path  []Penalty `json:"path"` // the penalties tried, from the strongest on; one of 0 for SGD
	Best  int       `json:"best"` // index in Path of the chosen one
	// Results of the chosen penalty, with heads that were trained without the
	// photos: their evaluation and the probabilities [photo][class].
	Metrics       metrics.Evaluation `json:"-"`
	Probabilities [][]float64        `json:"-"`
}

// L2 returns the chosen penalty, 0 for SGD.
func (c CrossValidation) L2() float64 { return c.Path[c.Best].L2 }

// Penalty is a strength λ of the L2 penalty with its results on photos that the heads
// were not trained on.
type Penalty struct {
	L2        float64 `json:"l2"`
	Loss      float64 `json:"loss"`       // mean cross entropy over all photos
	LossError float64 `json:"loss_error"` // standard error of that mean, photos taken as independent
	Accuracy  float64 `json:"accuracy"`
}

const (
	defaultFolds         = 5
	crossValidationLimit = 1e-5 // meaning of Tolerance 0
	// patience is the number of successive penalties worse than the best after which
	// the rest, weaker and slower to fit, is skipped.
	patience = 4
)

// penalties returns the grid of CrossValidate: from 1 down to 1e-6, two a decade, times
// the mean squared distance of the photos' features from their mean. That is the scale
// of λ: features twice as large have the same optimum at a λ four times as large.
func penalties(l Layout, d Data) []float64 {
	scale := meanSquaredDistance(l, d)
	grid := make([]float64, 13)
	for i := range grid {
		grid[i] = scale * math.Pow(10, -float64(i)/2)
	}
	return grid
}

// meanSquaredDistance returns the mean squared distance of the centre views from their
// mean (the trace of their covariance), 1 if all are the same.
func meanSquaredDistance(l Layout, d Data) float64 {
	mean, buffer := make([]float64, l.Width()), make([]float32, l.Width())
	var squares float64 // Welford 1962, summed over the features
	for i, s := range d.centreViews() {
		for k, v := range d.Row(s.row, buffer) {
			delta := float64(v) - mean[k]
			mean[k] += delta / float64(i+1)
			squares += delta * (float64(v) - mean[k])
		}
	}
	if squares == 0 {
		return 1
	}
	return squares / float64(len(d.Photos))
}

// CrossValidate chooses the L2 penalty of a linear head, which LBFGS trains, by
// stratified k-fold cross-validation: with each penalty, each photo is evaluated by a
// head that was trained on the other folds. Heads are trained on all views of a photo
// and evaluated on the centre view. A head that is not linear is evaluated in the same
// way: SGD trains it once a fold, to the last epoch.
//
// It chooses the penalty with the least mean held-out cross entropy. Accuracy is
// unsuitable: it counts whole photos, so that most penalties tie on few photos, and it
// ignores whether probabilities are right (log loss is a strictly proper score: Gneiting
// and Raftery 2007; Hastie, Tibshirani and Friedman, The Elements of Statistical
// Learning, 7.10). Their rule of one standard error is not applied: a penalty stronger
// than the best makes the probabilities, which users see, underconfident.
//
// Penalties are tried from the strongest on; the weakest, which take longest to fit,
// are skipped once the loss keeps rising. Each fit starts from 0, so that the result of
// a penalty does not depend on the others (starting from the last fit would save a fifth
// of the time).
//
// Errors: kind fail.Usage for invalid options or photos (each class needs two groups);
// fail.NonFinite, also if SGD diverges; ctx's own.
func CrossValidate(ctx context.Context, l Layout, d Data, o CrossValidationOptions,
	report progress.Reporter) (CrossValidation, error) {
	o.SGD.Solver, o.SGD.LastEpoch = SGD, true
	fit := o.SGD
	if l.Kind == Linear {
		fit = Options{Solver: LBFGS, Tolerance: o.Tolerance}
	}
	if err := checkFit(l, d, d, fit); err != nil {
		return CrossValidation{}, err
	}
	fold, folds, err := stratify(l, d, o)
	if err != nil {
		return CrossValidation{}, err
	}
	return crossValidate(ctx, l, d, fold, folds, o, report)
}

// crossValidate is CrossValidate with the fold of each photo given.
func crossValidate(ctx context.Context, l Layout, d Data, fold []int, folds int, o CrossValidationOptions,
	report progress.Reporter) (CrossValidation, error) {
	grid, err := o.grid(l, d)
	if err != nil {
		return CrossValidation{}, err
	}
	fits := make([]*foldFit, folds)
	for k := range fits {
		fits[k] = newFoldFit(l, d, fold, k, o)
	}
	task := report.Begin("cross-validate", int64(len(grid)*folds), "fits")
	defer task.End()

	c := CrossValidation{Folds: folds}
	for i, l2 := range grid {
		results := make([]prediction, len(d.Photos))
		for _, f := range fits {
			if err := f.evaluate(ctx, l2, results); err != nil {
				return CrossValidation{}, err
			}
			task.Add(1)
		}
		p, err := newPenalty(l2, results, d)
		if err != nil {
			return CrossValidation{}, err
		}
		c.Path = append(c.Path, p)
		if i == 0 || p.Loss < c.Path[c.Best].Loss {
			c.Best = i
			c.Metrics = summarize(l.Classes, d.centreViews(), results)
			c.Probabilities = make([][]float64, len(results))
			for k, r := range results {
				c.Probabilities[k] = r.probabilities
			}
		}
		if i-c.Best >= patience {
			task.Add(int64((len(grid) - i - 1) * folds)) // skipped penalties count as done
			break
		}
	}
	return c, nil
}

// grid returns the penalties to try, from the strongest on.
func (o CrossValidationOptions) grid(l Layout, d Data) ([]float64, error) {
	if l.Kind != Linear {
		return []float64{0}, nil
	}
	grid := slices.Clone(o.L2)
	if grid == nil {
		if grid = penalties(l, d); !finite(grid[0]) {
			return nil, fail.New(fail.NonFinite, verifyHint, "the features have the variance %g", grid[0])
		}
	}
	slices.SortFunc(grid, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
	for _, l2 := range grid {
		if !(l2 > 0 && finite(l2)) {
			return nil, fail.New(fail.Usage, "Give penalties above 0.", "L2 penalty %g", l2)
		}
	}
	return grid, nil
}

func newPenalty(l2 float64, results []prediction, d Data) (Penalty, error) {
	p := Penalty{L2: l2}
	n := float64(len(results))
	var correct int
	for i, r := range results {
		p.Loss += r.loss / n
		if r.class == d.Photos[i].Label {
			correct++
		}
	}
	if !finite(p.Loss) {
		return p, fail.New(fail.NonFinite, verifyHint, "the held-out loss is %g at the penalty %g", p.Loss, l2)
	}
	var squares float64
	for _, r := range results {
		squares += (r.loss - p.Loss) * (r.loss - p.Loss)
	}
	p.Accuracy, p.LossError = float64(correct)/n, math.Sqrt(squares/(n-1)/n)
	return p, nil
}

// foldFit fits the photos outside one fold, with one penalty after the other.
type foldFit struct {
	train   func(ctx context.Context, l2 float64) (Params, error)
	network *network[float32]
	held    []sample // the photos of the fold
}

func newFoldFit(l Layout, d Data, fold []int, k int, o CrossValidationOptions) *foldFit {
	learned, held := Data{Row: d.Row}, Data{Row: d.Row}
	f := &foldFit{network: newNetwork[float32](l, d.Row)}
	for i, s := range d.centreViews() {
		if fold[i] == k {
			f.held = append(f.held, s)
			held.Photos = append(held.Photos, d.Photos[i])
		} else {
			learned.Photos = append(learned.Photos, d.Photos[i])
		}
	}
	if l.Kind != Linear {
		f.train = func(ctx context.Context, _ float64) (Params, error) {
			trained, err := Fit(ctx, l, learned, held, o.SGD, nil) // held: to see that it did not diverge
			return trained.Params, err
		}
		return f
	}
	options := Options{Solver: LBFGS, Tolerance: o.Tolerance}
	if options.Tolerance == 0 {
		options.Tolerance = crossValidationLimit
	}
	problem := newRegularised(l, learned, options)
	f.train = func(ctx context.Context, l2 float64) (Params, error) {
		problem.l2 = l2
		x, _, err := problem.minimise(ctx, options, nil)
		if err != nil {
			return Params{}, err
		}
		return Params(problem.paramsAt(x)), nil
	}
	return f
}

// evaluate fits with the penalty l2 and sets the results of the fold's photos.
func (f *foldFit) evaluate(ctx context.Context, l2 float64, results []prediction) error {
	trained, err := f.train(ctx, l2)
	if err != nil {
		return err
	}
	f.network.params = params[float32](trained)
	predicted, err := f.network.predict(ctx, f.held, true)
	for i, s := range f.held {
		if err == nil {
			results[s.photo] = predicted[i]
		}
	}
	return err
}
