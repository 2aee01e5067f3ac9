package head_test

import (
	"strings"
	"testing"

	"fx/head"
	"fx/internal/fail"
)

func TestDiverged(t *testing.T) {
	for name, c := range map[string]struct {
		classes int
		loss    float64
		same    bool
		says    string // "" for a training that worked
	}{
		"a good one":                {2, 0.01, false, ""},
		"no better than guessing":   {2, 0.69, false, ""},
		"large in two classes":      {2, 6.95, false, "its train loss is 6.95 in the last epoch, where guessing among 2 classes has 0.693; the checkpoint stays"},
		"the same in a thousand":    {1000, 6.95, false, ""},
		"large in a thousand":       {1000, 70, false, "among 1000 classes"},
		"absurd":                    {2, 4.6e30, false, "4.6e+30"},
		"dead":                      {2, 0.69, true, "the same logits: its units are dead; the checkpoint stays"},
		"exactly ten times guesses": {2, 6.931471805599452, false, ""},
	} {
		err := head.Diverged(c.classes, c.loss, c.same, 0.5, "Take a smaller --lr.", "the checkpoint stays")
		if (err == nil) != (c.says == "") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "--lr 0.5") || fail.HintOf(err) == "") {
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
	_, err := head.Fit(t.Context(), head.Layout{Kind: head.Linear, Features: 2, Positions: 1, Classes: 2}, data, data, o, nil)
	return err
}

func TestFitThatDivergesIsNoSuccess(t *testing.T) {
	if err := fitOn(t, [4]float32{1, -1, 1, -1}, 0.01); err != nil {
		t.Errorf("a training that works: %v", err)
	}
	for name, err := range map[string]error{
		"a loss of millions": fitOn(t, [4]float32{1000, 999, 1001, 998}, 1000),
	} {
		if fail.KindOf(err) != fail.NonFinite || !strings.Contains(err.Error(), "diverged at --lr") || !strings.Contains(fail.HintOf(err), "lr-find") {
			t.Errorf("%s: kind %d, hint %q: %v", name, fail.KindOf(err), fail.HintOf(err), err)
		}
	}
}
