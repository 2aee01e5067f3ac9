package head

import (
	"context"
	"math"
	"testing"
)

// layouts are the shapes at which properties are checked; together they take
// every path of the kernels: few and many classes, gonum's parallel products,
// several parts of a batch.
var layouts = []Layout{
	{Kind: Linear, Features: 1, Positions: 1, Classes: 2},
	{Kind: Linear, Features: 7, Positions: 1, Classes: 3},
	{Kind: Linear, Features: 300, Positions: 1, Classes: 150},
	{Kind: Conv1x1, Features: 3, Positions: 1, Classes: 2},
	{Kind: Conv1x1, Features: 5, Positions: 9, Classes: 3},
	{Kind: Conv1x1, Features: 70, Positions: 169, Classes: 20},
	{Kind: Conv1x1, Features: 256, Positions: 169, Classes: 2},
}

// formulaDropout keeps about half the values of each row.
func formulaDropout(l Layout) *dropout {
	return formulaSchedule(l, Data{}, true).drop(1)
}

func TestGradientAgreesWithFiniteDifferences(t *testing.T) {
	for _, l := range layouts {
		for _, drop := range []*dropout{nil, formulaDropout(l)} {
			const rows = 11
			d := formulaData(l, features, labels, rows)
			n := newNetwork[float64](l, d.Row)
			widen(n.params.Weight, uniform(weight, l.Classes*l.Features, 1))
			widen(n.params.Bias, uniform(bias, l.Classes, 1))
			classWeights := make([]float64, l.Classes)
			for c := range classWeights {
				classWeights[c] = 0.5 + float64(c%3)
			}
			o := objective{d.centreViews(), classWeights, drop}
			g, ignored := newParams[float64](l), newParams[float64](l)
			at := func(g params[float64]) float64 {
				out, err := n.gradient(context.Background(), o, g)
				if err != nil {
					t.Fatal(err)
				}
				return out.loss
			}
			at(g)
			// One inner product along a random direction covers every derivative.
			const step = 1e-6
			directions := append(uniform(91, len(g.Weight), 1), uniform(92, len(g.Bias), 1)...)
			var want float64
			move := func(by float64) {
				for i, v := range directions {
					if i < len(g.Weight) {
						n.params.Weight[i] += by * float64(v)
					} else {
						n.params.Bias[i-len(g.Weight)] += by * float64(v)
					}
				}
			}
			for i, v := range directions {
				if i < len(g.Weight) {
					want += g.Weight[i] * float64(v)
				} else {
					want += g.Bias[i-len(g.Weight)] * float64(v)
				}
			}
			move(step)
			after := at(ignored)
			move(-2 * step)
			got := (after - at(ignored)) / (2 * step)
			// Rounding of the loss over the step, and values that cross the ReLU.
			if math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("%+v, dropout %t: the derivative is %.10g, the gradient says %.10g", l, drop != nil, got, want)
			}
		}
	}
}

func TestDroppedValuesDoNotMatter(t *testing.T) {
	for _, l := range layouts[1:] {
		d := formulaData(l, features, labels, 6)
		drop := formulaDropout(l)
		loss := func(row func(int, []float32) []float32) float64 {
			n := newNetwork[float32](l, row)
			n.params = params[float32](initial(l, 1))
			out, err := n.gradient(context.Background(), objective{d.centreViews(), nil, drop}, newParams[float32](l))
			if err != nil {
				t.Fatal(err)
			}
			return out.loss
		}
		changed := func(kept bool) func(int, []float32) []float32 {
			return func(i int, buffer []float32) []float32 {
				mask := make([]uint64, (l.Width()+63)/64)
				drop.fill(sample{photo: i}, mask)
				copy(buffer, d.Row(i, nil))
				for j := range buffer {
					if mask[j/64]>>(j%64)&1 == 1 == kept {
						buffer[j]++
					}
				}
				return buffer
			}
		}
		if loss(d.Row) != loss(changed(false)) {
			t.Errorf("%+v: a dropped value changed the loss", l)
		}
		if loss(d.Row) == loss(changed(true)) {
			t.Errorf("%+v: a kept value did not change the loss", l)
		}
	}
}

func TestPhotoIsJudgedAloneAsAmongOthers(t *testing.T) {
	for _, l := range layouts {
		const rows = 130
		d := formulaData(l, features, labels, rows)
		p := initial(l, 1)
		m, err := Evaluate(context.Background(), l, p, d)
		if err != nil {
			t.Fatal(err)
		}
		predictor, err := NewPredictor(l, p)
		if err != nil {
			t.Fatal(err)
		}
		for i, batched := range m.Predictions {
			probabilities, err := predictor.Probabilities(d.Row(i, nil))
			if err != nil {
				t.Fatal(err)
			}
			top := Top(probabilities, 1)[0]
			if top.Class != batched.Class || top.Probability != batched.Probability {
				t.Fatalf("%+v, photo %d: alone %v, among others class %d with %g", l, i, top, batched.Class,
					batched.Probability)
			}
		}
	}
}

func TestSoftmaxOfLargeLogits(t *testing.T) {
	p := make([]float64, 3)
	sum := softmax([]float32{1000, 1000, -1000}, p)
	near(t, "log of the sum", sum, 1000+math.Ln2, 1e-12)
	nearAll(t, "probabilities", p, []float64{0.5, 0.5, 0}, 1e-15)
	if got := softmax([]float64{1, math.NaN()}, p[:2]); !math.IsNaN(got) {
		t.Errorf("NaN logits give %g", got)
	}
}
