package finetune

import (
	"slices"
	"testing"

	"fx/internal/training"
)

// Flags that choose photos are named where they choose others, in both directions, and make no
// difference where they choose the same ones.
func TestDiffOfPhotoFlags(t *testing.T) {
	plain := settings{training.Settings{Epochs: 2}, conditions{Data: "d"}}
	chosen := plain
	chosen.NoFollowLinks, chosen.Extensions = true, ".gif"
	if differ := slices.Concat(plain.diff(chosen), chosen.diff(plain)); len(differ) > 0 {
		t.Errorf("of the same photos: %q", differ)
	}
	const data = "data (names and sizes of the photos)"
	chosen.Data = "e"
	for _, c := range []struct {
		got, want []string
	}{
		{plain.diff(chosen), []string{data + " was d and is e", "extensions was not set and is .gif",
			"no-follow-links was not set and is true"}},
		{chosen.diff(plain), []string{data + " was e and is d", "extensions was .gif and is not set",
			"no-follow-links was true and is not set"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%q", c.got)
		}
	}
}
