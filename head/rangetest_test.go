package head

import (
	"reflect"
	"runtime"
	"testing"

	"fx/internal/fail"
	"fx/internal/random"
	"fx/internal/rangetest"
)

// clouds are two clouds of points around ±scale on the first axis.
func clouds(n, features int, scale float64) Data {
	s := random.New(3, "clouds")
	var values []float32
	var labels []int
	for i := range n {
		labels = append(labels, i%2)
		for j := range features {
			v := s.Normal()
			if j == 0 {
				v += float64(2*(i%2) - 1)
			}
			values = append(values, float32(scale*v))
		}
	}
	return Data{Photos: SingleViews(labels), Row: Matrix(values, features)}
}

// Features ten times as large want a much smaller rate: gradient and
// curvature grow with their square, though not the head that the training begins with.
func TestRangeTestFollowsTheScaleOfTheFeatures(t *testing.T) {
	l := Layout{Kind: Linear, Features: 16, Positions: 1, Classes: 2}
	test := rangetest.Options{MinLR: 1e-7, MaxLR: 100, Steps: 180, Repeats: 8}
	o := Defaults()
	small, err := RangeTest(t.Context(), l, clouds(100, 16, 1), o, test)
	if err != nil {
		t.Fatal(err)
	}
	large, err := RangeTest(t.Context(), l, clouds(100, 16, 10), o, test)
	if err != nil {
		t.Fatal(err)
	}
	if ratio := small.Suggestion / large.Suggestion; !(ratio > 5 && ratio < 400) {
		t.Errorf("suggestions %g and %g", small.Suggestion, large.Suggestion)
	}
	if !(small.Suggestion > 1e-3 && small.Suggestion < 1) || large.Stopped == "" {
		t.Errorf("suggestion %g; the test on large features ended %q", small.Suggestion, large.Stopped)
	}
}

// The same seed gives the same bits whatever the number of processors, another seed
// others; and a step is the step of Fit.
func TestRangeTestIsDeterministic(t *testing.T) {
	l, data := Layout{Kind: Linear, Features: 16, Positions: 1, Classes: 2, Dropout: 0.5}, clouds(50, 16, 1)
	test := rangetest.Options{MinLR: 1e-4, MaxLR: 1, Steps: 40, Repeats: 2}
	o := Defaults()
	o.ClassWeights = []float64{1, 2}
	first, err := RangeTest(t.Context(), l, data, o, test)
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	again, err := RangeTest(t.Context(), l, data, o, test)
	if err != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("%+v\n%+v, %v", first, again, err)
	}
	o.Seed = 1
	if other, err := RangeTest(t.Context(), l, data, o, test); err != nil ||
		other.Steps[0].Loss == first.Steps[0].Loss {
		t.Errorf("another seed: %+v, %v", other.Steps[0], err)
	}

	o.Seed = 0
	once := test
	once.Repeats = 1
	if other, err := RangeTest(t.Context(), l, data, o, once); err != nil ||
		other.Steps[0].Loss == first.Steps[0].Loss {
		t.Errorf("a second repeat is the first: %+v, %v", other.Steps[0], err)
	}

	// At rates that hardly differ an epoch of the test is the first epoch of Fit.
	o.BatchSize, o.LR, o.Epochs = 2, 0.01, 1
	flat := rangetest.Options{MinLR: 0.01, MaxLR: 0.01 * (1 + 1e-9), Steps: 25, Repeats: 1}
	tested, err := RangeTest(t.Context(), l, data, o, flat)
	if err != nil {
		t.Fatal(err)
	}
	fitted, err := Fit(t.Context(), l, data, data, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mean float64
	for _, s := range tested.Steps {
		mean += s.Loss / float64(len(tested.Steps))
	}
	if d := mean - fitted.Epochs[0].TrainLoss; d > 1e-6 || d < -1e-6 {
		t.Errorf("the test's mean loss is %g, Fit's %g", mean, fitted.Epochs[0].TrainLoss)
	}
}

func TestRangeTestRefuses(t *testing.T) {
	l := Layout{Kind: Linear, Features: 16, Positions: 1, Classes: 2}
	o := Defaults()
	o.BatchSize = 0
	if _, err := RangeTest(t.Context(), l, clouds(10, 16, 1), o, rangetest.Defaults()); fail.KindOf(err) != fail.Usage {
		t.Errorf("batches of none: %v", err)
	}
	if _, err := RangeTest(t.Context(), l, clouds(10, 16, 1), Defaults(),
		rangetest.Options{}); fail.KindOf(err) != fail.Usage {
		t.Errorf("no test: %v", err)
	}
	if _, err := RangeTest(t.Context(), l, Data{}, Defaults(), rangetest.Defaults()); fail.KindOf(err) != fail.Usage {
		t.Errorf("no photos: %v", err)
	}
}
