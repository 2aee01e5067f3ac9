package command

import "testing"

func TestGroupOf(t *testing.T) {
	for stat, want := range map[string]int{
		"12 (sh) S 1 12 12 0 -1":     12,
		"13 (a) b) (c) R 12 99 12 0": 99,
		"":                           0,
		"13 (a) R":                   0,
	} {
		if got := groupOf(stat); got != want {
			t.Errorf("%q: %d, want %d", stat, got, want)
		}
	}
}
