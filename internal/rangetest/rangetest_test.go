package rangetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"fx/internal/fail"
)

// quadratic is gradient descent on curvature/2·x² from x = 1, whose loss falls by
// (1 − rate·curvature)² in a step and diverges from a rate of 2/curvature on.
func quadratic(curvature float64) func(context.Context, int) (Update, error) {
	return func(context.Context, int) (Update, error) {
		x := 1.0
		return func(_ context.Context, rate float64) (float64, error) {
			loss := curvature / 2 * x * x
			x -= rate * curvature * x
			return loss, nil
		}, nil
	}
}

func run(t *testing.T, o Options, begin func(context.Context, int) (Update, error)) Result {
	t.Helper()
	r, err := Run(t.Context(), o, begin)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// On quadratics the suggestion scales with the curvature as the best rate,
// 1/curvature, does, and lies where the loss falls.
func TestSuggestionOnAQuadratic(t *testing.T) {
	o := Options{MinLR: 1e-6, MaxLR: 1e4, Steps: 250, Repeats: 1}
	var products []float64
	for _, curvature := range []float64{0.1, 1, 10, 1000} {
		r := run(t, o, quadratic(curvature))
		if !(r.Suggestion > 0.01/curvature && r.Suggestion < 1/curvature) {
			t.Errorf("curvature %g: suggestion %g", curvature, r.Suggestion)
		}
		if !(r.LowestLR > r.Suggestion && r.LowestLR < 20/curvature) || r.TenthOfLowestLR != r.LowestLR/10 {
			t.Errorf("curvature %g: lowest at %g, a tenth is %g", curvature, r.LowestLR, r.TenthOfLowestLR)
		}
		if !strings.Contains(r.Stopped, "smoothed loss is more than 4 times") || len(r.Steps) == o.Steps {
			t.Errorf("curvature %g: %d steps, %q", curvature, len(r.Steps), r.Stopped)
		}
		products = append(products, r.Suggestion*curvature)
	}
	for _, p := range products {
		if math.Abs(math.Log10(p/products[0])) > 0.1 { // two steps
			t.Errorf("suggestion × curvature: %v", products)
		}
	}
}

// A loss that is a known function of the rate: it falls from 1 to 0 around 1e-3, as
// a logistic curve of the logarithm, and rises from 1e-1 on.
func TestSuggestionOnAKnownCurve(t *testing.T) {
	loss := func(rate float64) float64 {
		at := math.Log10(rate)
		return 1/(1+math.Exp(6*(at+3))) + math.Max(0, at+1)
	}
	r := run(t, Options{MinLR: 1e-6, MaxLR: 1, Steps: 600, Repeats: 1}, func(context.Context, int) (Update, error) {
		return func(_ context.Context, rate float64) (float64, error) { return loss(rate), nil }, nil
	})
	// The average lags by 9 steps of a hundredth of a power of ten.
	if math.Abs(math.Log10(r.Suggestion)+3-0.09) > 0.03 {
		t.Errorf("suggestion %g", r.Suggestion)
	}
	if !(r.LowestLR > 0.09 && r.LowestLR < 0.13) {
		t.Errorf("lowest at %g", r.LowestLR)
	}
}

func TestRatesAndSmoothing(t *testing.T) {
	o := Options{MinLR: 1e-4, MaxLR: 1, Steps: 21, Repeats: 2}
	r := run(t, o, func(_ context.Context, repeat int) (Update, error) {
		step := 0.0
		return func(context.Context, float64) (float64, error) {
			step++
			return 10 + step + float64(2*repeat), nil // 12, 13, 14… on average
		}, nil
	})
	if r.Stopped != "" || len(r.Steps) != 21 || r.Repeats != 2 {
		t.Fatalf("%d steps of %d repeats: %s", len(r.Steps), r.Repeats, r.Stopped)
	}
	for i, got := range r.Steps {
		var sum, weights float64 // of the losses so far, 0.9^k for the one k steps ago
		for k := range i + 1 {
			sum += math.Pow(0.9, float64(k)) * float64(12+i-k)
			weights += math.Pow(0.9, float64(k))
		}
		rate := math.Pow(10, -4+0.2*float64(i))
		if got.Step != i+1 || math.Abs(got.LR/rate-1) > 1e-12 || math.Abs(got.Loss-float64(12+i)) > 1e-12 ||
			math.Abs(got.Smoothed-sum/weights) > 1e-12 {
			t.Errorf("step %d: %+v, not a rate of %g and a smoothed loss of %g", i+1, got, rate, sum/weights)
		}
	}
	if r.Suggestion != 0 {
		t.Errorf("a loss that only rises gives the suggestion %g", r.Suggestion)
	}
}

// The curve ends with the first repeat that does, and later ones go no further.
func TestRepeatsThatEndEarly(t *testing.T) {
	ends := []int{50, 30, 40}
	var did []int
	r := run(t, Options{MinLR: 1e-6, MaxLR: 1, Steps: 60, Repeats: 3},
		func(_ context.Context, repeat int) (Update, error) {
			did = append(did, 0)
			return func(context.Context, float64) (float64, error) {
				did[repeat]++
				if did[repeat] > ends[repeat] {
					return math.NaN(), nil
				}
				return 1, nil
			}, nil
		})
	if len(r.Steps) != 30 || !reflect.DeepEqual(did, []int{51, 31, 30}) ||
		!strings.Contains(r.Stopped, "NaN in step 31") {
		t.Errorf("%d steps, of updates %v; %s", len(r.Steps), did, r.Stopped)
	}
	for _, s := range r.Steps {
		if math.Abs(s.Loss-1) > 1e-12 {
			t.Errorf("%+v", s)
		}
	}
}

// Losses of the first steps are no minimum to end the test by.
func TestALuckyFirstBatchEndsNothing(t *testing.T) {
	r := run(t, Defaults(), func(context.Context, int) (Update, error) {
		first := true
		return func(context.Context, float64) (float64, error) {
			if first {
				first = false
				return 0.01, nil
			}
			return 1, nil
		}, nil
	})
	if len(r.Steps) != Defaults().Steps || r.Stopped != "" {
		t.Errorf("%d steps: %s", len(r.Steps), r.Stopped)
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	never := func(context.Context, int) (Update, error) { t.Error("begun"); return nil, nil }
	for _, o := range []Options{
		{}, {MinLR: 1, MaxLR: 1, Steps: 100, Repeats: 1}, {MinLR: -1, MaxLR: 1, Steps: 100, Repeats: 1}, {MinLR: 1,
			MaxLR: math.Inf(1), Steps: 100, Repeats: 1},
		{MinLR: math.NaN(), MaxLR: 1, Steps: 100, Repeats: 1}, {MinLR: 1e-6, MaxLR: 1, Steps: 19,
			Repeats: 1}, {MinLR: 1e-6, MaxLR: 1, Steps: 100},
	} {
		if _, err := Run(t.Context(), o, never); fail.KindOf(err) != fail.Usage || fail.HintOf(err) == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Run(t.Context(), Defaults(), func(context.Context, int) (Update, error) {
		return nil, broken
	}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := Run(t.Context(), Defaults(), func(context.Context, int) (Update, error) {
		return func(context.Context, float64) (float64, error) { return 0, broken }, nil
	}); !errors.Is(err, broken) {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(cancelled, Defaults(), quadratic(1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	atOnce := run(t, Defaults(), func(context.Context, int) (Update, error) {
		return func(context.Context, float64) (float64, error) { return math.Inf(1), nil }, nil
	})
	if len(atOnce.Steps) != 0 || atOnce.Suggestion != 0 || atOnce.LowestLR != 0 || atOnce.Stopped == "" {
		t.Errorf("%+v", atOnce)
	}
}

func ExampleRun() {
	r, err := Run(context.Background(), Options{MinLR: 1e-4, MaxLR: 100, Steps: 100, Repeats: 1},
		func(context.Context, int) (Update, error) {
			x := 1.0 // gradient descent on x²/2, which diverges from a rate of 2 on
			return func(_ context.Context, rate float64) (float64, error) {
				loss := x * x / 2
				x -= rate * x
				return loss, nil
			}, nil
		})
	fmt.Printf("%.1g %v\n", r.Suggestion, err)
	// Output: 0.1 <nil>
}
