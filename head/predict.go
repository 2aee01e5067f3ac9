package head

import (
	"context"
	"sort"

	"fx/internal/fail"
)

// Predictor classifies features one photo at a time. It reuses memory and is not safe
// for concurrent use; creating one is cheap.
type Predictor struct {
	network *network[float32]
	scratch *scratch[float32]
	row     []float32
}

// NewPredictor returns the predictor of a trained head. It returns errors of kind
// fail.Usage for an invalid layout and fail.Model for parameters that don't fit it.
func NewPredictor(l Layout, p Params) (*Predictor, error) {
	predictor := &Predictor{}
	n, err := inference(l, p, func(int, []float32) []float32 { return predictor.row })
	if err != nil {
		return nil, err
	}
	predictor.network, predictor.scratch = n, n.newScratch()
	return predictor, nil
}

// Probabilities returns the probabilities [classes], which sum to 1, for the features
// of one photo (see Data.Row). Features of the wrong length are an error of kind
// fail.Usage; a result that is not finite is one of kind fail.NonFinite.
func (p *Predictor) Probabilities(features []float32) ([]float64, error) {
	p.row = features
	if err := p.network.load(p.scratch, make([]sample, 1), nil); err != nil {
		return nil, err
	}
	p.network.kernel.forward(p.network.params, p.scratch, 1, 1)
	probabilities := make([]float64, p.network.layout.Classes)
	if sum := softmax(p.scratch.logits[:len(probabilities)], probabilities); !finite(sum) {
		return nil, fail.New(fail.NonFinite,
			"Check the photo's features and the head's weights for NaN and infinity.",
			"the head's result is not finite")
	}
	return probabilities, nil
}

// Probabilities returns the probabilities [photo][class] for the centre view of each
// photo of d. Its errors are those of Evaluate.
func Probabilities(ctx context.Context, l Layout, p Params, d Data) ([][]float64, error) {
	n, err := inference(l, p, d.Row)
	if err != nil {
		return nil, err
	}
	if err := d.check(l, "classified"); err != nil {
		return nil, err
	}
	results, err := n.predict(ctx, d.centreViews(), true)
	if err != nil {
		return nil, err
	}
	probabilities := make([][]float64, len(results))
	for i, r := range results {
		if !finite(r.loss) {
			return nil, fail.New(fail.NonFinite, verifyHint, "the loss of photo %d is %g", i, r.loss)
		}
		probabilities[i] = r.probabilities
	}
	return probabilities, nil
}

// Choice is a class and its probability.
type Choice struct {
	Class       int
	Probability float64
}

// Top returns the k most probable classes, or all if there are fewer; ties are in class order.
func Top(probabilities []float64, k int) []Choice {
	choices := make([]Choice, len(probabilities))
	for c, p := range probabilities {
		choices[c] = Choice{c, p}
	}
	sort.SliceStable(choices, func(i, j int) bool { return choices[i].Probability > choices[j].Probability })
	return choices[:min(len(choices), max(k, 0))]
}
