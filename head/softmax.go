package head

import "math"

// softmax writes the probabilities of the logits, which sum to 1, and returns
// the log of the sum of their exponentials; the cross entropy of class c is that minus
// logits[c]. It shifts by the largest logit and never overflows.
func softmax[T number](logits []T, probabilities []float64) (logSumExp float64) {
	largest := math.Inf(-1)
	for _, z := range logits {
		largest = max(largest, float64(z)) // NaN wins
	}
	var sum float64
	for i, z := range logits {
		e := math.Exp(float64(z) - largest)
		probabilities[i] = e
		sum += e
	}
	for i := range probabilities {
		probabilities[i] /= sum
	}
	return largest + math.Log(sum)
}

// argmax returns the index of the largest value, the first at ties, like torch.max.
func argmax[T number](values []T) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}
