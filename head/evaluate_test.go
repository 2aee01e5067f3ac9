package head

import (
	"context"
	"reflect"
	"testing"

	"fx/internal/fail"
)

func TestTop(t *testing.T) {
	got := Top([]float64{0.2, 0.3, 0.3, 0.2}, 3)
	if want := []Choice{{1, 0.3}, {2, 0.3}, {0, 0.2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("top %v, want %v", got, want)
	}
	if got := Top([]float64{1}, 5); len(got) != 1 {
		t.Errorf("top 5 of one class: %v", got)
	}
}

func TestEvaluateRefuses(t *testing.T) {
	l := Layout{Kind: Linear, Features: 3, Positions: 1, Classes: 2}
	d := formulaData(l, features, labels, 4)
	if _, err := Evaluate(context.Background(), l, initial(l, 0), Data{}); fail.KindOf(err) != fail.Usage {
		t.Errorf("no photos: %v", err)
	}
	if _, err := Evaluate(context.Background(), l, Params{}, d); fail.KindOf(err) != fail.Model {
		t.Errorf("no parameters: %v", err)
	}
	if _, err := NewPredictor(l, Params{}); fail.KindOf(err) != fail.Model {
		t.Errorf("predictor without parameters: %v", err)
	}
	predictor, err := NewPredictor(l, initial(l, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := predictor.Probabilities(make([]float32, 2)); fail.KindOf(err) != fail.Usage {
		t.Errorf("features of another length: %v", err)
	}
}
