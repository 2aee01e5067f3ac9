package head

import (
	"sort"

	"fx/internal/fail"
)

// LabelIssue is a photo whose label looks wrong.
type LabelIssue struct {
	Photo     int     // index among the probabilities
	Label     int     // as given
	Suggested int     // the class that it looks like
	Given     float64 // probability of Label
	Likely    float64 // probability of Suggested
}

// LabelIssues returns the photos whose label looks wrong, the most certain first, by
// confident learning (Northcutt, Jiang and Chuang, "Confident Learning:
// Estimating Uncertainty in Dataset Labels", JAIR 70, 2021): the threshold of a
// class is the mean probability of that class among the photos with its label; a photo
// counts as the most probable class whose threshold it reaches, and is an issue if that
// is not its label. A photo whose most probable class is its label is never an issue.
// Issues are ordered by margin: the probability of the label minus that of the suggested
// class.
//
// probabilities [photo][class] must come from heads that were not trained on the photo,
// such as CrossValidate's: a head that was trained on a wrong label predicts it.
// Arguments that don't fit each other are errors of kind fail.Usage.
func LabelIssues(probabilities [][]float64, labels []int) ([]LabelIssue, error) {
	if len(probabilities) != len(labels) {
		return nil, fail.New(fail.Usage, "", "probabilities of %d photos with %d labels", len(probabilities),
			len(labels))
	}
	thresholds, err := selfConfidence(probabilities, labels)
	if err != nil {
		return nil, err
	}
	issues := []LabelIssue{}
	for i, p := range probabilities {
		suggested := confidentClass(p, thresholds)
		if label := labels[i]; suggested >= 0 && suggested != label && argmax(p) != label {
			issues = append(issues, LabelIssue{Photo: i, Label: label, Suggested: suggested, Given: p[label],
				Likely: p[suggested]})
		}
	}
	sort.SliceStable(issues, func(a, b int) bool {
		return issues[a].Given-issues[a].Likely < issues[b].Given-issues[b].Likely
	})
	return issues, nil
}

// selfConfidence returns the mean probability of each class among the photos with that
// label; for a class without photos a value that no probability reaches.
func selfConfidence(probabilities [][]float64, labels []int) ([]float64, error) {
	var sum []float64
	var count []int
	for i, p := range probabilities {
		if sum == nil {
			sum, count = make([]float64, len(p)), make([]int, len(p))
		}
		if len(p) != len(sum) || labels[i] < 0 || labels[i] >= len(p) {
			return nil, fail.New(fail.Usage, "", "photo %d has label %d and %d probabilities, the first has %d", i,
				labels[i], len(p), len(sum))
		}
		sum[labels[i]] += p[labels[i]]
		count[labels[i]]++
	}
	for c, n := range count {
		if n == 0 {
			sum[c] = 2
			continue
		}
		sum[c] /= float64(n)
	}
	return sum, nil
}

// confidentClass returns the most probable class that reaches its threshold, -1 if none
// does. The slack allows for rounding in sums.
func confidentClass(p, thresholds []float64) int {
	const slack = 1e-6
	best := -1
	for c, v := range p {
		if v >= thresholds[c]-slack && (best < 0 || v > p[best]) {
			best = c
		}
	}
	return best
}
