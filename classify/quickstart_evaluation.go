package classify

import (
	"sort"

	"fx/head"
	"fx/internal/metrics"
)

// QuickstartEvaluation is the evaluation of a classifier on photos that it was not trained on, with what the text says
// about it. Its keys are those of summary.json.
type QuickstartEvaluation struct {
	Split string `json:"split,omitempty"` // of the photos; "" for a cross-validation
	Folds int    `json:"folds,omitempty"` // of the cross-validation; 0 if there was none

	Photos   int     `json:"photos"`
	Right    int     `json:"right"`
	Accuracy float64 `json:"accuracy"`
	// Distinct counts photos with different content, DistinctRight those that were classified correctly: copies add no
	// information.
	Distinct      int     `json:"distinct"`
	DistinctRight int     `json:"distinct_right"`
	Low           float64 `json:"low"` // 95 % interval of the accuracy on distinct photos, see head.Wilson
	High          float64 `json:"high"`
	Loss          float64 `json:"loss"` // mean cross entropy
	// Baseline is the accuracy of always answering Commonest, the class with most photos.
	Commonest string  `json:"commonest"`
	Baseline  float64 `json:"baseline"`

	PerClass   []metrics.Class `json:"per_class"`
	Confusion  [][]int         `json:"confusion"`  // [true class][predicted class], photos
	Confused   []Confused      `json:"confused"`   // the most frequent first
	Confidence []Confidence    `json:"confidence"` // the most probable first
	// Stated is the mean probability of the predicted class: the accuracy that the classifier states.
	Stated float64 `json:"stated"`
}

// copies counts the photos whose content another one has. It is 0 for a summary of an older fx.
func (j QuickstartEvaluation) copies() int {
	if j.Distinct == 0 {
		return 0
	}
	return j.Photos - j.Distinct
}

// Confused counts the photos of Class that were classified as Predicted.
type Confused struct {
	Class     string `json:"class"`
	Predicted string `json:"predicted"`
	Photos    int    `json:"photos"`
	Of        int    `json:"of"` // photos of Class
}

// Confidence counts the photos whose predicted class had a probability of at least From and, except for the highest,
// below To.
type Confidence struct {
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Photos int     `json:"photos"`
	Right  int     `json:"right"`
}

// confidences are the bounds of QuickstartEvaluation.Confidence. With two classes no probability is below 0.5.
var confidences = []float64{0.9, 0.7, 0}

// newQuickstartEvaluation summarizes predictions. copies numbers their photos as copiesOf does.
func newQuickstartEvaluation(m metrics.Evaluation, classes []string, copies []int) QuickstartEvaluation {
	j := QuickstartEvaluation{
		Photos: len(m.Predictions), Accuracy: m.Accuracy, Loss: m.Loss, Confusion: m.Confusion, Confused: []Confused{},
	}
	for class, of := range m.Classes {
		of.Name = classes[class]
		j.PerClass = append(j.PerClass, of)
		if share := float64(of.Support) / float64(j.Photos); share > j.Baseline {
			j.Commonest, j.Baseline = classes[class], share
		}
		for predicted, photos := range m.Confusion[class] {
			if predicted == class {
				j.Right += photos
			} else if photos > 0 {
				j.Confused = append(j.Confused, Confused{Class: classes[class], Predicted: classes[predicted],
					Photos: photos, Of: of.Support})
			}
		}
	}
	sort.SliceStable(j.Confused, func(a, b int) bool { return j.Confused[a].Photos > j.Confused[b].Photos })
	j.Distinct, j.DistinctRight = distinctRight(m.Predictions, copies)
	j.Low, j.High = head.Wilson(j.DistinctRight, j.Distinct)
	to := 1.0
	for _, from := range confidences {
		j.Confidence = append(j.Confidence, Confidence{From: from, To: to})
		to = from
	}
	for _, p := range m.Predictions {
		j.Stated += p.Probability / float64(j.Photos)
		at := sort.Search(len(confidences)-1, func(i int) bool { return p.Probability >= confidences[i] })
		j.Confidence[at].Photos++
		if p.Class == p.Label {
			j.Confidence[at].Right++
		}
	}
	return j
}

// distinctRight counts the photos with different content, and those that were classified correctly. Copies with
// different labels can't all be correct: together they count as correct if at least half of them are.
func distinctRight(predictions []metrics.Prediction, copies []int) (distinct, right int) {
	photos, hits := map[int]int{}, map[int]int{}
	for i, p := range predictions {
		photos[copies[i]]++
		if p.Class == p.Label {
			hits[copies[i]]++
		}
	}
	for group, n := range photos {
		if 2*hits[group] >= n {
			right++
		}
	}
	return len(photos), right
}
