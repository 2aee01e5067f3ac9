package report

import (
	"slices"

	"fx/classify"
)

// mistakes returns the indexes of wrong predictions, the most confident first, at most limit.
func mistakes(all []classify.Verdict, limit int) []int {
	var wrong []int
	for i, p := range all {
		if p.Class != p.Label {
			wrong = append(wrong, i)
		}
	}
	slices.SortStableFunc(wrong, func(a, b int) int {
		switch p, q := all[a].Probability, all[b].Probability; {
		case p > q:
			return -1
		case p < q:
			return 1
		}
		return 0
	})
	return wrong[:min(len(wrong), limit)]
}
