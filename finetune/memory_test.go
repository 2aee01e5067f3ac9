package finetune

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"fx/internal/fail"
	"fx/internal/ort"
)

func TestTheLargestBatchThatFits(t *testing.T) {
	outOfMemory := fail.Wrap(fail.Device, ort.ErrOutOfMemory, "", "a step")
	other := errors.New("the network is unplugged")
	for _, c := range []struct {
		batch, room int
		want        int
		tried       []int
	}{
		{64, 20, 16, []int{32, 16}}, {64, 32, 32, []int{32}}, {9, 1, 1, []int{4, 2, 1}}, {8, 0, 0,
			[]int{4, 2, 1}}, {1, 0, 0, nil},
	} {
		var tried []int
		got, err := largestFit(c.batch, func(size int) error {
			tried = append(tried, size)
			if size > c.room {
				return outOfMemory
			}
			return nil
		})
		if got != c.want || err != nil || !slices.Equal(tried, c.tried) {
			t.Errorf("batch %d, room for %d: %d after %v, %v", c.batch, c.room, got, tried, err)
		}
	}
	if got, err := largestFit(8, func(int) error { return other }); got != 0 || !errors.Is(err, other) {
		t.Errorf("another error: %d, %v", got, err)
	}
}

func TestWhatToDoAboutMemory(t *testing.T) {
	for want, hint := range map[string]string{
		"--batch-size 16 fits:":                      memoryHint(64, 16, nil, 1),
		"With --accumulate 4 an update":              memoryHint(64, 16, nil, 1),
		"With --accumulate 8 an update":              memoryHint(64, 16, nil, 2),
		"Not even a batch of one fits":               memoryHint(64, 0, nil, 1),
		"could not be tried: the network is unplugg": memoryHint(64, 0, errors.New("the network is unplugged"), 1),
	} {
		if !strings.Contains(hint, want) {
			t.Errorf("%q is not in %q", want, hint)
		}
	}
	if hint := memoryHint(9, 4, nil, 1); strings.Contains(hint, "--accumulate") {
		t.Errorf("%q: 4 is no part of 9", hint)
	}
}
