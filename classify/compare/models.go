package compare

import (
	"context"
	"fmt"
	"math"

	"fx/internal/metrics"
	"fx/internal/modeldir"
)

// models compares two MODELs.
func models(ctx context.Context, a, b string) (Comparison, error) {
	ma, _, err := modeldir.Load(a)
	if err != nil {
		return Comparison{}, err
	}
	mb, _, err := modeldir.Load(b)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{
		Kind: Models, A: modelSide(a, ma), B: modelSide(b, mb),
		Settings: differences(modelSettings(ma), modelSettings(mb)),
	}
	fb := results(mb)
	for i, fa := range results(ma) {
		r := Result{fa.name, fa.value, fb[i].value, fb[i].value - fa.value}
		if math.IsNaN(r.Difference) {
			continue
		}
		if r.Difference == 0 && i > 0 { // the first is the accuracy
			c.Equal++
			continue
		}
		c.Results = append(c.Results, r)
	}
	c.Accuracy, err = accuracies(ctx, a, b, ma, mb)
	return c, err
}

func modelSide(dir string, m modeldir.Model) Side {
	title := m.Backbone.Name
	if m.Mode != "" {
		title += ", " + m.Mode
	}
	return Side{Folder: dir, Title: title, Notes: append([]string{}, m.Notes...)}
}

type result struct {
	name  string
	value float64
}

// results returns a MODEL's results, in the same order for every MODEL. The images/s of a head on stored features are
// NaN, because its rows are not images.
func results(m modeldir.Model) []result {
	t := m.Metrics
	rate := t.ImagesPerSecond
	if m.Features != "" {
		rate = math.NaN()
	}
	var best metrics.Epoch
	for _, e := range t.Epochs {
		if e.Epoch == t.BestEpoch {
			best = e
		}
	}
	return []result{
		{"best val accuracy", t.BestValAccuracy},
		{"best epoch", float64(t.BestEpoch)},
		{"epochs run", float64(len(t.Epochs))},
		{"val loss at best epoch", best.ValLoss},
		{"train loss at best epoch", best.TrainLoss},
		{"train accuracy at best epoch", best.TrainAccuracy},
		{"seconds", t.Seconds},
		{"images/s", rate},
		{"parameters trained", float64(t.ParametersTrained)},
	}
}

// Accuracy describes the significance of the difference of two best val accuracies.
type Accuracy struct {
	Difference   float64 `json:"difference"` // B − A
	PhotosA      int     `json:"photos_a"`
	PhotosB      int     `json:"photos_b"`
	WithinChance bool    `json:"within_chance"` // at 95 %
	Method       string  `json:"method"`

	// Of the 95 % interval of Agresti and Caffo, if the predictions are not available.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Of McNemar's test, if both MODELs can be evaluated on the same photos.
	OnlyA int     `json:"only_a_right,omitempty"` // photos
	OnlyB int     `json:"only_b_right,omitempty"`
	P     float64 `json:"p,omitempty"`
}

// Sentence returns a sentence about the difference.
func (a Accuracy) Sentence() string {
	verdict := "more than chance gives"
	if a.WithinChance {
		verdict = "within what chance gives"
	}
	photos := fmt.Sprintf("on %d val photos", a.PhotosA)
	if a.PhotosA != a.PhotosB {
		photos = fmt.Sprintf("on %d and %d val photos", a.PhotosA, a.PhotosB)
	}
	switch {
	case a.Difference == 0 && a.Method == mcNemar:
		return fmt.Sprintf("The accuracies %s are equal: A alone is right on %d, B alone on %d.", photos, a.OnlyA,
			a.OnlyB)
	case a.Difference == 0:
		return fmt.Sprintf("The accuracies %s are equal.", photos)
	case a.Method == mcNemar:
		p := fmt.Sprintf("p = %.3f", a.P)
		if a.P < 0.0005 {
			p = "p < 0.0005"
		}
		return fmt.Sprintf("A difference of %+.4f %s is %s: A alone is right on %d, B alone on %d (%s, %s).",
			a.Difference, photos, verdict, a.OnlyA, a.OnlyB, a.Method, p)
	}
	return fmt.Sprintf("A difference of %+.4f %s is %s (%s: %+.4f to %+.4f).", a.Difference, photos, verdict,
		a.Method, a.Low, a.High)
}

// accuracies evaluates the difference of the best val accuracies. It returns nil if a MODEL was not evaluated.
func accuracies(ctx context.Context, a, b string, ma, mb modeldir.Model) (*Accuracy, error) {
	na, nb := ma.Metrics.ValPhotos, mb.Metrics.ValPhotos
	if na == 0 || nb == 0 { // not evaluated
		return nil, nil
	}
	pa, pb := ma.Metrics.BestValAccuracy, mb.Metrics.BestValAccuracy
	of := &Accuracy{Difference: pb - pa, PhotosA: na, PhotosB: nb, Method: agrestiCaffo}
	onlyA, onlyB, paired, err := pairs(ctx, a, b, ma, mb)
	if err != nil {
		return nil, err
	}
	if paired {
		of.Method, of.OnlyA, of.OnlyB, of.P = mcNemar, onlyA, onlyB, exactMcNemar(onlyA, onlyB)
		of.WithinChance = of.P >= 0.05
		return of, nil
	}
	right := func(p float64, n int) int { return int(math.Round(p * float64(n))) }
	of.Low, of.High = intervalOfDifference(right(pa, na), na, right(pb, nb), nb)
	of.WithinChance = of.Low <= 0 && of.High >= 0
	return of, nil
}
