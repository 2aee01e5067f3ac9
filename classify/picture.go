package classify

import (
	"fmt"
	"strings"

	"fx/internal/chart"
	"fx/internal/modeldir"
)

// writePicture draws the training and the evaluation of a MODEL to the PNG file path: the curves of train and val
// accuracy and loss, and the confusion matrix.
func writePicture(path, model string, found Evaluation) error {
	m, _, err := modeldir.Load(model)
	if err != nil {
		return err
	}
	r := chart.Training{
		Title: "fx: " + m.Backbone.Name, Epochs: m.Metrics.Epochs, BestEpoch: m.Metrics.BestEpoch,
		Subtitle: fmt.Sprintf("best val accuracy %.4f in epoch %d, weights %s", m.Metrics.BestValAccuracy,
			m.Metrics.BestEpoch, m.Backbone.Weights.Name()),
		Confusion: found.Confusion, Classes: m.Classes, Photos: found.Split + " photos",
	}
	if len(m.Notes) > 0 { // such as one about untrained weights, which every result must show
		r.Subtitle += "; " + strings.Join(m.Notes, "; ")
	}
	r.Step = m.Options.Step()
	return chart.WriteTraining(path, r)
}
