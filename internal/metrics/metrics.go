package metrics

import (
	"cmp"
	"slices"
)

// Epoch is one pass over the training photos (of L-BFGS, one iteration). Losses are mean cross
// entropies, accuracies shares from 0 to 1.
//
// TrainLoss and TrainAccuracy of SGD are the tutorial's running averages: each batch is evaluated with dropout on and
// before its own step, so that the first epochs look worse than the network at their end. Those of L-BFGS are of all
// training photos at this iteration. The loss is weighted by class if class weights are given. ValLoss, never
// weighted, and ValAccuracy are of the val photos' centre views at the end of the epoch, without dropout; 0 without
// val photos.
//
// LR, the two rates and Seconds are in the records of trainings (trainlog, run.json), 0 in those
// of MODELs.
type Epoch struct {
	Epoch                int     `json:"epoch"`        // from 1
	LR                   float64 `json:"lr,omitempty"` // of the last step
	TrainLoss            float64 `json:"train_loss"`
	TrainAccuracy        float64 `json:"train_accuracy"`
	TrainImagesPerSecond float64 `json:"train_images_per_second,omitempty"`
	ValLoss              float64 `json:"val_loss"`
	ValAccuracy          float64 `json:"val_accuracy"`
	ValImagesPerSecond   float64 `json:"val_images_per_second,omitempty"`
	Seconds              float64 `json:"seconds,omitempty"` // that the epoch took
}

// Evaluation holds the metrics of a classifier on labelled photos.
type Evaluation struct {
	Accuracy    float64      `json:"accuracy"`
	Loss        float64      `json:"loss"`      // mean cross entropy
	Classes     []Class      `json:"classes"`   // in the order of labels
	Confusion   [][]int      `json:"confusion"` // [true class][predicted class], photos
	Predictions []Prediction `json:"-"`         // one for each photo, in the order of the photos
}

// Class are the metrics of one class against all others. Ratios that would divide by zero are 0.
type Class struct {
	Name      string  `json:"name,omitempty"` // "" if labels have no names
	Precision float64 `json:"precision"`      // share of the photos predicted as the class that belong to it
	Recall    float64 `json:"recall"`         // share of the class's photos that are predicted as it
	F1        float64 `json:"f1"`             // harmonic mean of the two
	Support   int     `json:"support"`        // photos of the class
}

// Prediction is a classifier's result for one labelled photo.
type Prediction struct {
	Photo       int     `json:"photo"` // index of the photo
	Label       int     `json:"label"`
	Class       int     `json:"class"`       // the most probable, the first at ties
	Probability float64 `json:"probability"` // of Class
}

// New derives accuracy and classes from counts of photos by [true class][predicted class].
func New(confusion [][]int, loss float64) Evaluation {
	classes := len(confusion)
	e := Evaluation{Loss: loss, Confusion: confusion, Classes: make([]Class, classes)}
	predicted := make([]int, classes)
	var right, all int
	for truth, row := range confusion {
		for class, photos := range row {
			predicted[class] += photos
			e.Classes[truth].Support += photos
		}
		right += row[truth]
		all += e.Classes[truth].Support
	}
	e.Accuracy = ratio(float64(right), float64(all))
	for c := range e.Classes {
		hits := float64(confusion[c][c])
		of := &e.Classes[c]
		of.Precision = ratio(hits, float64(predicted[c]))
		of.Recall = ratio(hits, float64(of.Support))
		of.F1 = ratio(2*hits, float64(predicted[c]+of.Support))
	}
	return e
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Mistakes returns the wrong predictions, the most confident first, at most limit.
func (e Evaluation) Mistakes(limit int) []Prediction {
	var wrong []Prediction
	for _, p := range e.Predictions {
		if p.Class != p.Label {
			wrong = append(wrong, p)
		}
	}
	slices.SortStableFunc(wrong, func(a, b Prediction) int { return cmp.Compare(b.Probability, a.Probability) })
	return wrong[:min(len(wrong), max(limit, 0))]
}
