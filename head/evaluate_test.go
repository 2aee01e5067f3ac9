package head

import (
	"context"
	"reflect"
	"testing"

	"fx/internal/fail"
)

func TestMistakesComeMostConfidentFirst(t *testing.T) {
	m := Metrics{Predictions: []Prediction{
		{Photo: 0, Label: 0, Class: 1, Probability: 0.6},
		{Photo: 1, Label: 1, Class: 1, Probability: 0.99},
		{Photo: 2, Label: 1, Class: 0, Probability: 0.9},
		{Photo: 3, Label: 1, Class: 0, Probability: 0.6},
	}}
	var photos []int
	for _, p := range m.Mistakes(10) {
		photos = append(photos, p.Photo)
	}
	if want := []int{2, 0, 3}; !reflect.DeepEqual(photos, want) {
		t.Errorf("mistakes %v, want %v", photos, want)
	}
	if got := m.Mistakes(1); len(got) != 1 || got[0].Photo != 2 {
		t.Errorf("the first mistake is %v", got)
	}
	if len(m.Mistakes(0)) != 0 || len(m.Mistakes(-1)) != 0 {
		t.Error("a limit of 0 gives mistakes")
	}
}

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
	if _, err := Evaluate(context.Background(), l, Initial(l, 0), Data{}); fail.KindOf(err) != fail.Usage {
		t.Errorf("no photos: %v", err)
	}
	if _, err := Evaluate(context.Background(), l, Params{}, d); fail.KindOf(err) != fail.Model {
		t.Errorf("no parameters: %v", err)
	}
	if _, err := NewPredictor(l, Params{}); fail.KindOf(err) != fail.Model {
		t.Errorf("predictor without parameters: %v", err)
	}
	predictor, err := NewPredictor(l, Initial(l, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := predictor.Probabilities(make([]float32, 2)); fail.KindOf(err) != fail.Usage {
		t.Errorf("features of another length: %v", err)
	}
}
