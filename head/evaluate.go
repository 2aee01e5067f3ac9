package head

import (
	"context"
	"sort"

	"fx/internal/fail"
)

// Metrics say how well a head does on photos. Ratios that would divide by zero are 0.
type Metrics struct {
	Accuracy    float64        `json:"accuracy"`
	Loss        float64        `json:"loss"`      // mean cross entropy
	Classes     []ClassMetrics `json:"classes"`   // in the order of labels
	Confusion   [][]int        `json:"confusion"` // [true class][predicted class], photos
	Predictions []Prediction   `json:"-"`         // one for each photo, in the order of Data.Photos
}

// ClassMetrics are those of one class against all others.
type ClassMetrics struct {
	Precision float64 `json:"precision"` // share of the photos predicted as the class that are of it
	Recall    float64 `json:"recall"`    // share of the class's photos that are predicted as it
	F1        float64 `json:"f1"`        // harmonic mean of the two
	Support   int     `json:"support"`   // photos of the class
}

// Prediction is what a head says of one photo of known class.
type Prediction struct {
	Photo       int     `json:"photo"` // index in Data.Photos
	Label       int     `json:"label"`
	Class       int     `json:"class"`       // the most probable, the first at ties
	Probability float64 `json:"probability"` // of Class
}

// Evaluate judges the centre view of each photo of d. It returns errors of kind
// fail.Usage for photos and fail.Model for parameters that don't fit l,
// fail.NonFinite where a photo's loss is NaN or infinite, and ctx's own.
func Evaluate(ctx context.Context, l Layout, p Params, d Data) (Metrics, error) {
	n, err := inference(l, p, d.Row)
	if err != nil {
		return Metrics{}, err
	}
	if len(d.Photos) == 0 {
		return Metrics{}, fail.New(fail.Usage, "Extract features of photos first.", "no photos to evaluate")
	}
	if err := d.check(l, "evaluated"); err != nil {
		return Metrics{}, err
	}
	samples := d.centreViews()
	results, err := n.judge(ctx, samples, false)
	if err != nil {
		return Metrics{}, err
	}
	for i, r := range results {
		if !finite(r.loss) {
			return Metrics{}, fail.New(fail.NonFinite, verifyHint, "the loss of photo %d is %g", i, r.loss)
		}
	}
	return newMetrics(l.Classes, samples, results), nil
}

// newMetrics sums up what was said of samples, one for each photo.
func newMetrics(classes int, samples []sample, results []judged) Metrics {
	m := Metrics{Confusion: make([][]int, classes), Predictions: make([]Prediction, len(samples))}
	for c := range m.Confusion {
		m.Confusion[c] = make([]int, classes)
	}
	for i, r := range results {
		label := samples[i].label
		m.Loss += r.loss
		m.Confusion[label][r.class]++
		m.Predictions[i] = Prediction{Photo: i, Label: label, Class: r.class, Probability: r.probability}
	}
	m.Loss /= float64(len(samples))
	m.count()
	return m
}

// count derives accuracy and classes from the confusion matrix.
func (m *Metrics) count() {
	classes := len(m.Confusion)
	predicted := make([]int, classes)
	var right, all int
	m.Classes = make([]ClassMetrics, classes)
	for truth, row := range m.Confusion {
		for class, photos := range row {
			predicted[class] += photos
			m.Classes[truth].Support += photos
		}
		right += row[truth]
		all += m.Classes[truth].Support
	}
	m.Accuracy = ratio(float64(right), float64(all))
	for c := range m.Classes {
		hits := float64(m.Confusion[c][c])
		of := &m.Classes[c]
		of.Precision = ratio(hits, float64(predicted[c]))
		of.Recall = ratio(hits, float64(of.Support))
		of.F1 = ratio(2*hits, float64(predicted[c]+of.Support))
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Mistakes returns the wrong predictions, the most confident first, at most limit.
func (m Metrics) Mistakes(limit int) []Prediction {
	var wrong []Prediction
	for _, p := range m.Predictions {
		if p.Class != p.Label {
			wrong = append(wrong, p)
		}
	}
	sort.SliceStable(wrong, func(i, j int) bool { return wrong[i].Probability > wrong[j].Probability })
	return wrong[:min(len(wrong), max(limit, 0))]
}

// inference returns the network with trained parameters.
func inference(l Layout, p Params, row func(int, []float32) []float32) (*network[float32], error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	if err := p.check(l); err != nil {
		return nil, err
	}
	n := newNetwork[float32](l, row)
	n.params = params[float32](p)
	return n, nil
}
