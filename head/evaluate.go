package head

import (
	"context"

	"fx/internal/fail"
	"fx/internal/metrics"
)

// Evaluate evaluates the head on the centre view of each photo of d. It returns errors
// of kind fail.Usage for photos and fail.Model for parameters that don't fit l,
// fail.NonFinite if a photo's loss is NaN or infinite, and ctx's own.
func Evaluate(ctx context.Context, l Layout, p Params, d Data) (metrics.Evaluation, error) {
	n, err := inference(l, p, d.Row)
	if err != nil {
		return metrics.Evaluation{}, err
	}
	if len(d.Photos) == 0 {
		return metrics.Evaluation{}, fail.New(fail.Usage, "Extract features of photos first.", "no photos to evaluate")
	}
	if err := d.check(l, "evaluated"); err != nil {
		return metrics.Evaluation{}, err
	}
	samples := d.centreViews()
	results, err := n.predict(ctx, samples, false)
	if err != nil {
		return metrics.Evaluation{}, err
	}
	for i, r := range results {
		if !finite(r.loss) {
			return metrics.Evaluation{}, fail.New(fail.NonFinite, verifyHint, "the loss of photo %d is %g", i, r.loss)
		}
	}
	return summarize(l.Classes, samples, results), nil
}

// summarize returns the evaluation of the results of samples, one for each photo.
func summarize(classes int, samples []sample, results []prediction) metrics.Evaluation {
	confusion := make([][]int, classes)
	for c := range confusion {
		confusion[c] = make([]int, classes)
	}
	loss := 0.0
	predictions := make([]metrics.Prediction, len(samples))
	for i, r := range results {
		label := samples[i].label
		loss += r.loss
		confusion[label][r.class]++
		predictions[i] = metrics.Prediction{Photo: i, Label: label, Class: r.class, Probability: r.probability}
	}
	e := metrics.New(confusion, loss/float64(len(samples)))
	e.Predictions = predictions
	return e
}

// inference returns the network with trained parameters.
func inference(l Layout, p Params, row func(int, []float32) []float32) (*network[float32], error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	if err := p.Check(l); err != nil {
		return nil, err
	}
	n := newNetwork[float32](l, row)
	n.params = params[float32](p)
	return n, nil
}
