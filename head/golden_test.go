package head

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"sort"
	"testing"

	"fx/internal/metrics"
)

// The formula of testdata/make_goldens.py.
func formulaBits(stream, i uint32) uint32 {
	h := stream*0x9E3779B1 + i*0x85EBCA77 + 1
	h ^= h >> 16
	h *= 0x7FEB352D
	h ^= h >> 15
	h *= 0x846CA68B
	return h ^ h>>16
}

func uniform(stream uint32, count int, scale float64) []float32 {
	v := make([]float32, count)
	for i := range v {
		v[i] = float32((float64(formulaBits(stream, uint32(i))>>8)/(1<<24) - 0.5) * scale)
	}
	return v
}

const (
	features = 1 + iota
	labels
	valFeatures
	valLabels
	weight
	bias
	dropoutBits
)

func formulaLabels(stream uint32, count, classes int) []int {
	v := make([]int, count)
	for i := range v {
		v[i] = int(formulaBits(stream, uint32(i)) % uint32(classes))
	}
	return v
}

func formulaData(l Layout, featureStream, labelStream uint32, count int) Data {
	return Data{
		Row:    Matrix(uniform(featureStream, count*l.Width(), 2), l.Width()),
		Photos: SingleViews(formulaLabels(labelStream, count, l.Classes)),
	}
}

// formulaSchedule gives the orders and masks of make_goldens.py.
func formulaSchedule(l Layout, train Data, withDropout bool) schedule {
	return schedule{
		order: func(epoch int) []sample {
			samples := train.centreViews()
			sort.SliceStable(samples, func(i, j int) bool {
				return formulaBits(uint32(100+epoch), uint32(samples[i].photo)) < formulaBits(uint32(100+epoch),
					uint32(samples[j].photo))
			})
			return samples
		},
		drop: func(epoch int) *dropout {
			if !withDropout {
				return nil
			}
			return &dropout{scale: 2, fill: func(s sample, mask []uint64) {
				clear(mask)
				for i := range l.Width() {
					mask[i/64] |= uint64(formulaBits(dropoutBits, uint32((epoch*1000+s.photo)*1000+i))&1) << (i % 64)
				}
			}}
		},
	}
}

func readGolden(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %.9g, want %.9g ± %g", what, got, want, tolerance)
	}
}

func nearAll[A, B number](t *testing.T, what string, got []A, want []B, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i])-float64(want[i])) <= tolerance) {
			t.Errorf("%s: value %d is %.9g, want %.9g ± %g", what, i, float64(got[i]), float64(want[i]), tolerance)
			return
		}
	}
}

// torch and fx add float32 numbers in different orders: a few units of 2⁻²⁴ of
// values around 1, grown a little by three epochs of momentum.
const torchTolerance = 2e-6

func TestSGDEqualsTorch(t *testing.T) {
	var cases []struct {
		Name, Kind                   string
		Features, Positions, Classes int
		Train, Val, Batch, Epochs    int
		LR, Momentum                 float64
		WeightDecay                  float64   `json:"weight_decay"`
		ClassWeights                 []float64 `json:"class_weights"`
		Dropout                      bool
		Result                       []metrics.Epoch
		Weight, Bias                 []float64
	}
	readGolden(t, "testdata/torch.json", &cases)
	if len(cases) != 5 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			l := Layout{Kind: Kind(c.Kind), Features: c.Features, Positions: c.Positions, Classes: c.Classes}
			o := Options{Solver: SGD, Epochs: c.Epochs, BatchSize: c.Batch, LR: c.LR, Momentum: c.Momentum,
				WeightDecay: c.WeightDecay, ClassWeights: c.ClassWeights}
			train, val := formulaData(l, features, labels, c.Train), formulaData(l, valFeatures, valLabels, c.Val)
			if err := checkFit(l, train, val, o); err != nil {
				t.Fatal(err)
			}
			p := Params{Weight: uniform(weight, c.Classes*c.Features, 0.5), Bias: uniform(bias, c.Classes, 0.5)}
			f := &fitting{layout: l, train: train, val: val, options: o}
			if err := f.sgd(context.Background(), p, formulaSchedule(l, train, c.Dropout)); err != nil {
				t.Fatal(err)
			}
			nearAll(t, "weight", p.Weight, c.Weight, torchTolerance)
			nearAll(t, "bias", p.Bias, c.Bias, torchTolerance)
			for i, want := range c.Result {
				got := f.result.Epochs[i]
				near(t, "train loss", got.TrainLoss, want.TrainLoss, torchTolerance)
				near(t, "train accuracy", got.TrainAccuracy, want.TrainAccuracy, 1e-12)
				near(t, "val loss", got.ValLoss, want.ValLoss, torchTolerance)
				near(t, "val accuracy", got.ValAccuracy, want.ValAccuracy, 1e-12)
			}
		})
	}
}

type sklearnGoldens struct {
	Logistic []struct {
		Rows, Features, Classes     int
		L2                          float64
		Balanced                    bool
		Weight, Bias, Probabilities []float64
	}
	Metrics struct {
		Rows, Features, Classes int
		Accuracy, Loss          float64
		Precision, Recall, F1   []float64
		Support                 []int
		Confusion               [][]int
		Probability             []float64
	}
}

// LBFGS stops where no derivative exceeds 1e-9; the penalty's curvature, 0.02
// at least, turns that into 5e-8 of a weight, and float32 weights add 2⁻²⁴ of
// their size.
const sklearnTolerance = 3e-7

func TestLBFGSFindsScikitLearnsOptimum(t *testing.T) {
	var goldens sklearnGoldens
	readGolden(t, "testdata/sklearn.json", &goldens)
	for _, g := range goldens.Logistic {
		l := Layout{Kind: Linear, Features: g.Features, Positions: 1, Classes: g.Classes}
		train := formulaData(l, features, labels, g.Rows)
		o := Options{Solver: LBFGS, L2: g.L2, Tolerance: 1e-9}
		if g.Balanced {
			o.ClassWeights = Balanced(train, g.Classes)
		}
		r, err := Fit(context.Background(), l, train, train, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Converged {
			t.Errorf("%d classes: not converged after %d iterations", g.Classes, len(r.Epochs))
		}
		nearAll(t, "weight", r.Params.Weight, g.Weight, sklearnTolerance)
		nearAll(t, "bias", r.Params.Bias, g.Bias, sklearnTolerance)
		predictor, err := NewPredictor(l, r.Params)
		if err != nil {
			t.Fatal(err)
		}
		for i := range g.Rows {
			got, err := predictor.Probabilities(train.Row(i, nil))
			if err != nil {
				t.Fatal(err)
			}
			nearAll(t, "probabilities", got, g.Probabilities[i*g.Classes:(i+1)*g.Classes], 1e-6)
		}
	}
}

func TestMetricsEqualScikitLearns(t *testing.T) {
	var goldens sklearnGoldens
	readGolden(t, "testdata/sklearn.json", &goldens)
	g := goldens.Metrics
	l := Layout{Kind: Linear, Features: g.Features, Positions: 1, Classes: g.Classes}
	d := formulaData(l, features, labels, g.Rows)
	for i, p := range d.Photos {
		if p.Label == 3 {
			d.Photos[i].Label = 4
		}
	}
	p := Params{Weight: uniform(weight, g.Classes*g.Features, 4), Bias: uniform(bias, g.Classes, 1)}
	p.Bias[4] = -100
	m, err := Evaluate(context.Background(), l, p, d)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "accuracy", m.Accuracy, g.Accuracy, 1e-12)
	near(t, "loss", m.Loss, g.Loss, 1e-5) // losses near 100 in float32 logits
	for c, of := range m.Classes {
		near(t, "precision", of.Precision, g.Precision[c], 1e-12)
		near(t, "recall", of.Recall, g.Recall[c], 1e-12)
		near(t, "F1", of.F1, g.F1[c], 1e-12)
		if of.Support != g.Support[c] {
			t.Errorf("support of class %d is %d, want %d", c, of.Support, g.Support[c])
		}
		for k, photos := range m.Confusion[c] {
			if photos != g.Confusion[c][k] {
				t.Errorf("confusion[%d][%d] is %d, want %d", c, k, photos, g.Confusion[c][k])
			}
		}
	}
	for i, want := range g.Probability {
		near(t, "probability", m.Predictions[i].Probability, want, 1e-6)
	}
}
