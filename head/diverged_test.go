package head_test

import (
	"strings"
	"testing"

	"fx/head"
	"fx/internal/fail"
	"fx/internal/metrics"
)

func TestDiverged(t *testing.T) {
	const large = 9000
	epoch := func(number int, train, val float64) metrics.Epoch {
		return metrics.Epoch{Epoch: number, TrainLoss: train, ValLoss: val}
	}
	ends := func(train float64) []metrics.Epoch { return []metrics.Epoch{epoch(1, 0.5, 0.5), epoch(2, train, 0.5)} }
	for name, c := range map[string]struct {
		classes int
		epochs  []metrics.Epoch
		same    bool
		says    string // "" for a training that worked
	}{
		"a good one":              {2, ends(0.01), false, ""},
		"no better than guessing": {2, ends(0.69), false, ""},
		"large in two classes": {2, ends(6.95), false,
			"its train loss is 6.95 in the last epoch, where guessing among 2 classes has 0.693; the checkpoint stays"},
		"the same in a thousand":    {1000, ends(6.95), false, ""},
		"large in a thousand":       {1000, ends(70), false, "among 1000 classes"},
		"absurd":                    {2, ends(4.6e30), false, "4.6e+30"},
		"dead":                      {2, ends(0.69), true, "the same logits: its units are dead; the checkpoint stays"},
		"exactly ten times guesses": {2, ends(6.931471805599452), false, ""},
		"train photos learned by heart after the explosion": {2,
			[]metrics.Epoch{epoch(1, 8e30, 3e30), epoch(2, 0.04, 5e30)}, false,
			"its val loss is 5e+30 in epoch 2, where guessing among 2 classes has 0.693"},
		"the kept epoch exploded": {2, []metrics.Epoch{epoch(1, 70, large), epoch(2, 0.04, 90)}, false,
			"its val loss is 9e+03 in epoch 1"},
		"came back after a bad start":  {2, []metrics.Epoch{epoch(1, 70, 500), epoch(2, 0.04, 3)}, false, ""},
		"young statistics in val only": {2, []metrics.Epoch{epoch(1, 0.7, large), epoch(2, 0.5, large)}, false, ""},
	} {
		err := head.Diverged(c.classes, c.epochs, 1, c.same, 0.5, "Take a smaller --lr.", "the checkpoint stays")
		if (err == nil) != (c.says == "") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), c.says) ||
			!strings.Contains(err.Error(), "--lr 0.5") || fail.HintOf(err) == "") {
			t.Errorf("%s: kind %d: %v", name, fail.KindOf(err), err)
		}
	}
}

func fitOn(t *testing.T, values [4]float32, lr float64) error {
	t.Helper()
	features := make([]float32, 0, 8)
	for _, v := range values {
		features = append(features, v, -v)
	}
	data := head.Data{Photos: head.SingleViews([]int{0, 1, 0, 1}), Row: head.Matrix(features, 2)}
	o := head.Options{Solver: head.SGD, Epochs: 3, BatchSize: 2, LR: lr, Momentum: 0.9, Seed: 1}
	_, err := head.Fit(t.Context(), head.Layout{Kind: head.Linear, Features: 2, Positions: 1, Classes: 2}, data, data,
		o, nil)
	return err
}

func TestFitThatDivergesIsNoSuccess(t *testing.T) {
	if err := fitOn(t, [4]float32{1, -1, 1, -1}, 0.01); err != nil {
		t.Errorf("a training that works: %v", err)
	}
	for name, err := range map[string]error{
		"a loss of millions": fitOn(t, [4]float32{1000, 999, 1001, 998}, 1000),
	} {
		if fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), "diverged at --lr") ||
			!strings.Contains(fail.HintOf(err), "lr-find") {
			t.Errorf("%s: kind %d, hint %q: %v", name, fail.KindOf(err), fail.HintOf(err), err)
		}
	}
}

// Train photos may be learned by heart at any rate: the loss of val photos tells.
func TestALossThatExplodesOnValPhotosAloneIsNoSuccess(t *testing.T) {
	train := head.Data{Photos: head.SingleViews([]int{0, 1, 0, 1}),
		Row: head.Matrix([]float32{1, 0.5, 0.5, 1, 2, 1, 1, 2}, 2)}
	val := head.Data{Photos: head.SingleViews([]int{0, 1, 0}), Row: head.Matrix([]float32{1, 0.5, 0.5, 1, 0.5, 1}, 2)}
	for lr, fails := range map[float64]bool{0.01: false, 1: false, 1e6: true, 1e30: true} {
		o := head.Options{Solver: head.SGD, Epochs: 20, BatchSize: 1, LR: lr, Momentum: 0.9, Seed: 1}
		var losses []float64
		_, err := head.Fit(t.Context(), head.Layout{Kind: head.Linear, Features: 2, Positions: 1, Classes: 2},
			train, val, o, func(e metrics.Epoch) { losses = append(losses, e.TrainLoss) })
		if last := losses[len(losses)-1]; last > 0.7 {
			t.Fatalf("lr %g: the last train loss is %g: nothing is learned by heart", lr, last)
		}
		if (fail.KindOf(err) == fail.NonFinite) != fails {
			t.Errorf("lr %g: train losses %.3g: %v", lr, losses, err)
		}
	}
}

// A convolution with a ReLU behind it dies where the rate is too high: all its
// logits are 0, and the loss is that of guessing. Where it was dead before, as
// on features that are all negative for it, the rate is not at fault.
func TestAHeadWhoseUnitsDieIsNoSuccess(t *testing.T) {
	l := head.Layout{Kind: head.Conv1x1, Features: 2, Positions: 1, Classes: 2}
	fit := func(features []float32, lr float64) error {
		data := head.Data{Photos: head.SingleViews([]int{0, 1, 0, 1}), Row: head.Matrix(features, 2)}
		o := head.Options{Solver: head.SGD, Epochs: 20, BatchSize: 1, LR: lr, Seed: 1}
		_, err := head.Fit(t.Context(), l, data, data, o, nil)
		return err
	}
	features := []float32{3, 1, 2, 4, 3, 1.5, 2.5, 4}
	if err := fit(features, 0.001); err != nil {
		t.Errorf("a training that works: %v", err)
	}
	died := 0
	for _, lr := range []float64{1, 3, 10, 30, 100} {
		if err := fit(features, lr); fail.KindOf(err) == fail.NonFinite &&
			strings.Contains(err.Error(), "the same logits") {
			died++
		}
	}
	if died == 0 {
		t.Error("no rate was found that kills all units")
	}
	for _, sign := range [][2]float32{{1, 1}, {-1, 1}, {1, -1}, {-1, -1}} {
		signed := make([]float32, len(features))
		for i, v := range features {
			signed[i] = v * sign[i%2]
		}
		if err := fit(signed, 1e-9); err != nil {
			t.Errorf("signs %v: %v", sign, err)
		}
	}
}
