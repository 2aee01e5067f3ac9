package classify

import (
	"strings"
	"testing"

	"fx/internal/modeldir"
)

func TestNamesOfPhotosWithoutSplits(t *testing.T) {
	for split, want := range map[string]string{"": "0.2 of the photos", "train": "0.2 of train"} {
		if got := heldOut(0.2, split); got != want {
			t.Errorf("held out of %q: %s", split, got)
		}
	}
	var m modeldir.Model
	if notes := strings.Join(trainedOn(m, ""), "\n"); !strings.Contains(notes, "photos without splits") ||
		strings.Contains(notes, `""`) {
		t.Error(notes)
	}
	if notes := trainedOn(m, "val"); len(notes) != 0 {
		t.Error(notes)
	}
}
