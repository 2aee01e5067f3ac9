package head

import (
	"context"
	"sort"

	"fx/internal/fail"
)

// Predictor classifies features one photo at a time. It keeps scratch memory
// and is not safe for concurrent use; making one is cheap.
type Predictor struct {
	network *network[float32]
	scratch *scratch[float32]
	row     []float32
}

// NewPredictor returns the predictor of a trained head. It returns errors of
// kind fail.Usage for a layout and fail.Model for parameters that can't serve.
func NewPredictor(l Layout, p Params) (*Predictor, error) {
	predictor := &Predictor{}
	n, err := inference(l, p, func(int, []float32) []float32 { return predictor.row })
	if err != nil {
		return nil, err
	}
	predictor.network, predictor.scratch = n, n.newScratch()
	return predictor, nil
}

// Probabilities returns those of the classes, which sum to 1, for the features
// of one photo (see Data.Row). Features of the wrong length are an error of
// kind fail.Usage, a result that is not finite one of kind fail.NonFinite.
func (p *Predictor) Probabilities(features []float32) ([]float64, error) {
	p.row = features
	if err := p.network.load(p.scratch, make([]sample, 1), nil); err != nil {
		return nil, err
	}
	p.network.kernel.forward(p.network.params, p.scratch, 1, 1)
	probabilities := make([]float64, p.network.layout.Classes)
	if sum := softmax(p.scratch.logits[:len(probabilities)], probabilities); !finite(sum) {
		return nil, fail.New(fail.NonFinite, "Neither the photo's features nor the head's weights may hold NaN or infinity.", "the head gives no finite result")
	}
	return probabilities, nil
}

// Probabilities returns those of the classes for the centre view of each photo
// of d: [photo][class]. Its errors are those of Evaluate.
func Probabilities(ctx context.Context, l Layout, p Params, d Data) ([][]float64, error) {
	n, err := inference(l, p, d.Row)
	if err != nil {
		return nil, err
	}
	if err := d.check(l, "classified"); err != nil {
		return nil, err
	}
	results, err := n.judge(ctx, d.centreViews(), true)
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

// Top returns the k most probable classes, the first class first at ties; all where k is larger.
func Top(probabilities []float64, k int) []Choice {
	choices := make([]Choice, len(probabilities))
	for c, p := range probabilities {
		choices[c] = Choice{c, p}
	}
	sort.SliceStable(choices, func(i, j int) bool { return choices[i].Probability > choices[j].Probability })
	return choices[:min(len(choices), max(k, 0))]
}
