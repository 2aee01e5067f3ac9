package head

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"fx/internal/fail"
	"fx/internal/progress"
)

// apartData is the data of testdata/make_crossvalidation.py.
func apartData(l Layout, rows int) Data {
	values, y := uniform(features, rows*l.Features, 2), formulaLabels(labels, rows, l.Classes)
	for i, label := range y {
		values[i*l.Features+label] += 0.5
	}
	return Data{Row: Matrix(values, l.Features), Photos: SingleViews(y)}
}

func TestCrossValidationEqualsScikitLearns(t *testing.T) {
	var cases []struct {
		Rows, Features, Classes, Folds, Best int
		Penalties, Losses, Probabilities     []float64
		Accuracy                             float64
		Confusion                            [][]int
	}
	readGolden(t, "testdata/crossvalidation.json", &cases)
	if len(cases) != 3 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, g := range cases {
		t.Run(fmt.Sprint(g.Classes, " classes"), func(t *testing.T) {
			l := Layout{Kind: Linear, Features: g.Features, Positions: 1, Classes: g.Classes}
			fold := make([]int, g.Rows)
			for i := range fold {
				fold[i] = i % g.Folds
			}
			weakestFirst := slices.Clone(g.Penalties)
			slices.Reverse(weakestFirst)
			o := CrossValidationOptions{L2: weakestFirst, Tolerance: 1e-9}
			c, err := crossValidate(context.Background(), l, apartData(l, g.Rows), fold, g.Folds, o, progress.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if c.Best != g.Best || c.L2() != g.Penalties[g.Best] {
				t.Errorf("chose %g, the %d. of %v", c.L2(), c.Best, g.Penalties)
			}
			if want := min(len(g.Penalties), g.Best+patience+1); len(c.Path) != want {
				t.Errorf("tried %d penalties, want %d", len(c.Path), want)
			}
			for i, p := range c.Path {
				near(t, fmt.Sprintf("the loss at %g", p.L2), p.Loss, g.Losses[i], 1e-6)
			}
			nearAll(t, "probabilities", slices.Concat(c.Probabilities...), g.Probabilities, 1e-6)
			near(t, "accuracy", c.Metrics.Accuracy, g.Accuracy, 1e-12)
			near(t, "accuracy of the penalty", c.Path[c.Best].Accuracy, g.Accuracy, 1e-12)
			if fmt.Sprint(c.Metrics.Confusion) != fmt.Sprint(g.Confusion) {
				t.Errorf("confusion %v, want %v", c.Metrics.Confusion, g.Confusion)
			}
		})
	}
}

func crossValidated(t *testing.T, l Layout, d Data, o CrossValidationOptions) CrossValidation {
	t.Helper()
	c, err := CrossValidate(context.Background(), l, d, o, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Features in another unit are the same photos: λ follows, the probabilities stay.
func TestCrossValidationKnowsNoUnit(t *testing.T) {
	l := Layout{Kind: Linear, Features: 8, Positions: 1, Classes: 3}
	d := apartData(l, 60)
	large := Data{Photos: d.Photos, Row: func(i int, buffer []float32) []float32 {
		for k, v := range d.Row(i, nil) {
			buffer[k] = 1024 * v
		}
		return buffer
	}}
	a, b := crossValidated(t, l, d, CrossValidationOptions{Tolerance: 1e-7}), crossValidated(t, l, large,
		CrossValidationOptions{Tolerance: 1e-7})
	near(t, "ratio of the penalties", b.L2()/a.L2(), 1024*1024, 1)
	nearAll(t, "probabilities", slices.Concat(b.Probabilities...), slices.Concat(a.Probabilities...), 1e-4)
}

func TestCrossValidationIsDrawnBySeed(t *testing.T) {
	l := Layout{Kind: Linear, Features: 8, Positions: 1, Classes: 3}
	d := apartData(l, 60)
	a := crossValidated(t, l, d, CrossValidationOptions{Seed: 1})
	again, other := crossValidated(t, l, d, CrossValidationOptions{Seed: 1}), crossValidated(t, l, d,
		CrossValidationOptions{Seed: 2})
	if fmt.Sprint(a) != fmt.Sprint(again) {
		t.Error("the same seed gave another result")
	}
	if fmt.Sprint(a.Probabilities) == fmt.Sprint(other.Probabilities) {
		t.Error("another seed gave the same folds")
	}
}

// A head that is not linear is trained by SGD, once for each fold and to the last epoch: the held-out photos choose
// nothing.
func TestCrossValidationOfAConvolution(t *testing.T) {
	l := Layout{Kind: Conv1x1, Features: 8, Positions: 4, Classes: 3, Dropout: 0.5}
	values, y := uniform(features, 30*l.Width(), 2), formulaLabels(labels, 30, l.Classes)
	d := Data{Row: Matrix(values, l.Width()), Photos: SingleViews(y)}
	o := CrossValidationOptions{Folds: 3, Seed: 5, SGD: Defaults()}
	o.SGD.Epochs, o.SGD.Seed = 4, 7
	c := crossValidated(t, l, d, o)
	if fmt.Sprint(c) != fmt.Sprint(crossValidated(t, l, d, o)) {
		t.Error("the same seed gave another result")
	}
	if len(c.Path) != 1 || c.L2() != 0 || c.Folds != 3 || c.Path[0].Accuracy != c.Metrics.Accuracy {
		t.Errorf("folds %d, path %+v", c.Folds, c.Path)
	}
	fold, _, err := stratify(l, d, o)
	if err != nil {
		t.Fatal(err)
	}
	for k := range 3 {
		learned := Data{Row: d.Row}
		for i, photo := range d.Photos {
			if fold[i] != k {
				learned.Photos = append(learned.Photos, photo)
			}
		}
		last := o.SGD
		last.LastEpoch = true
		trained, err := Fit(t.Context(), l, learned, Data{Row: d.Row}, last, nil) // without val photos
		if err != nil || trained.BestEpoch != 4 || len(trained.Epochs) != 4 {
			t.Fatalf("best epoch %d of %d, %v", trained.BestEpoch, len(trained.Epochs), err)
		}
		want, err := Probabilities(t.Context(), l, trained.Params, d)
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.Photos {
			if fold[i] == k && !slices.Equal(c.Probabilities[i], want[i]) {
				t.Errorf("photo %d of fold %d: %v, want %v", i, k, c.Probabilities[i], want[i])
			}
		}
	}
}

// A photo is evaluated by heads that never saw it: where labels are random, and
// every photo has a copy, the copies give nothing away once they share a fold.
func TestHeldOutPhotosAreUnseen(t *testing.T) {
	l := Layout{Kind: Linear, Features: 200, Positions: 1, Classes: 2}
	single := formulaData(l, features, labels, 60)
	d := Data{Row: single.Row, Photos: append(slices.Clone(single.Photos), single.Photos...)}
	groups := make([]int, 120)
	for i := range groups {
		groups[i] = i % 60
	}
	apart := crossValidated(t, l, d, CrossValidationOptions{Groups: groups, L2: []float64{0.001}})
	leaking := crossValidated(t, l, d, CrossValidationOptions{L2: []float64{0.001}})
	if apart.Metrics.Accuracy > 0.62 || leaking.Metrics.Accuracy < 0.75 {
		t.Errorf("accuracy %.3f with copies in one fold, %.3f with copies in several", apart.Metrics.Accuracy,
			leaking.Metrics.Accuracy)
	}
}

func TestFoldsHaveTheirShareOfEachClass(t *testing.T) {
	l := Layout{Kind: Linear, Features: 1, Positions: 1, Classes: 3}
	for _, c := range []struct {
		counts []int // photos of each class
		folds  int   // asked for
		want   int
	}{
		{[]int{20, 31, 7}, 0, 5},
		{[]int{20, 31, 2}, 0, 5}, // a class that is in two folds only
		{[]int{9, 8, 7}, 4, 4},
		{[]int{2, 2, 2}, 9, 6}, // each photo a fold
	} {
		var labels []int
		for class, n := range c.counts {
			for range n {
				labels = append(labels, class)
			}
		}
		fold, folds, err := stratify(l, Data{Photos: SingleViews(labels)}, CrossValidationOptions{Folds: c.folds})
		if err != nil || folds != c.want {
			t.Errorf("%v: %d folds, %v", c.counts, folds, err)
			continue
		}
		all, of := make([]int, folds), make([][]int, len(c.counts))
		for class := range of {
			of[class] = make([]int, folds)
		}
		for i, k := range fold {
			all[k]++
			of[labels[i]][k]++
		}
		for class, each := range append(of, all) {
			if slices.Max(each)-slices.Min(each) > 1 {
				t.Errorf("%v: folds of %v photos (class %d of %d)", c.counts, each, class, len(c.counts))
			}
		}
	}
}

func TestCrossValidationRefuses(t *testing.T) {
	l := Layout{Kind: Linear, Features: 2, Positions: 1, Classes: 2}
	values := Matrix(uniform(features, 20, 2), 2)
	good := Data{Row: values, Photos: SingleViews([]int{0, 1, 0, 1})}
	conv := Layout{Kind: Conv1x1, Features: 1, Positions: 2, Classes: 2}
	for name, c := range map[string]struct {
		layout Layout
		data   Data
		o      CrossValidationOptions
		kind   fail.Kind
	}{
		"a convolution without options of SGD": {conv, good, CrossValidationOptions{}, fail.Usage},
		"a class of one": {l, Data{Row: values, Photos: SingleViews([]int{0, 1, 0, 0})},
			CrossValidationOptions{}, fail.Usage},
		"a class of copies": {l, good, CrossValidationOptions{Groups: []int{0, 1, 2, 1}}, fail.Usage},
		"one fold":          {l, good, CrossValidationOptions{Folds: 1}, fail.Usage},
		"too few groups":    {l, good, CrossValidationOptions{Groups: []int{0}}, fail.Usage},
		"no penalty":        {l, good, CrossValidationOptions{L2: []float64{0.1, 0}}, fail.Usage},
		"features of NaN": {l, Data{Row: func(int, []float32) []float32 {
			return []float32{float32(math.NaN()), 0}
		}, Photos: good.Photos}, CrossValidationOptions{}, fail.NonFinite},
		"a tolerance below zero": {l, good, CrossValidationOptions{Tolerance: -1}, fail.Usage},
	} {
		if _, err := CrossValidate(context.Background(), c.layout, c.data, c.o,
			progress.Discard); fail.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := CrossValidate(ctx, l, good, CrossValidationOptions{},
		progress.Discard); fail.KindOf(err) != fail.Interrupted {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLabelIssuesEqualCleanlabs(t *testing.T) {
	var cases []struct {
		Classes       int
		Labels        []int
		Probabilities []float64
		Issues        []int
	}
	readGolden(t, "testdata/labelissues.json", &cases)
	if len(cases) != 3 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, g := range cases {
		rows := slices.Collect(slices.Chunk(g.Probabilities, g.Classes))
		issues, err := LabelIssues(rows, g.Labels)
		if err != nil {
			t.Fatal(err)
		}
		var photos []int
		for _, issue := range issues {
			photos = append(photos, issue.Photo)
			p := rows[issue.Photo]
			if issue.Label != g.Labels[issue.Photo] || issue.Given != p[issue.Label] ||
				issue.Likely != p[issue.Suggested] || issue.Given >= issue.Likely {
				t.Errorf("issue %+v of %v", issue, p)
			}
		}
		if !slices.Equal(photos, g.Issues) {
			t.Errorf("%d classes: issues %v, want %v", g.Classes, photos, g.Issues)
		}
	}
	for name, c := range map[string]struct {
		probabilities [][]float64
		labels        []int
	}{
		"a label too many":    {[][]float64{{0.5, 0.5}}, []int{0, 1}},
		"an unknown label":    {[][]float64{{0.5, 0.5}}, []int{2}},
		"rows of two lengths": {[][]float64{{0.5, 0.5}, {1}}, []int{0, 0}},
	} {
		if _, err := LabelIssues(c.probabilities, c.labels); fail.KindOf(err) != fail.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The intervals are those of scipy.stats.binomtest(right, n).proportion_ci(method="wilson").
func TestWilsonEqualsScipys(t *testing.T) {
	for _, c := range []struct {
		right, n  int
		low, high float64
	}{
		{8, 10, 0.4901624715366418, 0.9433178485456248},
		{0, 10, 0.0, 0.27753279986288926},
		{147, 153, 0.9170917348166653, 0.9819052590916574},
		{3, 3, 0.4385029682449546, 1.0},
		{1, 2, 0.09453120573423074, 0.9054687942657693},
		{0, 0, 0, 1},
	} {
		low, high := Wilson(c.right, c.n)
		near(t, fmt.Sprintf("the lower end of %d of %d", c.right, c.n), low, c.low, 1e-12)
		near(t, fmt.Sprintf("the upper end of %d of %d", c.right, c.n), high, c.high, 1e-12)
	}
}
