package cli

import (
	"strings"
	"testing"
)

// A plot of random weights says so in its title, whatever the words.
func TestTheRangeTestOfRandomWeightsSaysSo(t *testing.T) {
	r := lrFindResult{Photos: 8, Notes: []string{"not trained.onnx does not say how its images are normalised"}}
	if s := r.subtitle(); s != "0 steps on 8 photos" {
		t.Errorf("trained weights: %q", s)
	}
	r.untrained = "the weights are noise"
	if s := r.subtitle(); !strings.HasSuffix(s, "; the weights are noise") {
		t.Errorf("random weights: %q", s)
	}
}
