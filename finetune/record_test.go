package finetune

import (
	"slices"
	"testing"

	"fx/internal/preprocess"
	"fx/internal/training"
)

// A run that is resumed with another preprocessing is told both in words.
func TestDiffOfPreprocessing(t *testing.T) {
	before := settings{training.Settings{Epochs: 2}, conditions{Preprocess: preprocess.ImageNet(224, 224)}}
	now := before
	now.Preprocess.Mode = preprocess.Squash
	want := "preprocessing was " + before.Preprocess.String() + " and is " + now.Preprocess.String()
	if differ := before.diff(now); !slices.Equal(differ, []string{want}) {
		t.Errorf("%q", differ)
	}
}
