package cli

import (
	"strings"
	"testing"

	"fx/classify/compare"
)

func TestAbbreviate(t *testing.T) {
	long := strings.Repeat("a", 60)
	hashes := [2]string{strings.Repeat("0123456789abcdef", 4), strings.Repeat("f", 64)}
	for _, c := range [][4]string{
		{"short", "other", "short", "other"},
		{hashes[0], hashes[1], hashes[0][:12], hashes[1][:12]},
		{long + "x", long + "y", "…aaaaaaaax", "…aaaaaaaay"}, // the part that differs is shown
		{long, long + "b", "…aaaaaaaa", "…aaaaaaaab"},
		{long, "", long[:42] + "…", ""},
		{strings.Repeat("ä", 50), "b", strings.Repeat("ä", 42) + "…", "b"},
	} {
		if a, b := abbreviate(c[0], c[1]); a != c[2] || b != c[3] {
			t.Errorf("%s and %s: %s and %s, not %s and %s", c[0], c[1], a, b, c[2], c[3])
		}
	}
}

func TestPrintMeans(t *testing.T) {
	difference, low, high, within := -0.02, -0.05, 0.01, true
	var b strings.Builder
	printMeans(&b, []compare.Mean{
		{Backbone: "resnet18", Mode: "finetune", A: compare.Group{Runs: 3, Planned: 3, BestValAccuracy: 0.94,
			SD: 0.01, Seeded: true, Weights: "seed:0"},
			B: compare.Group{Runs: 2, Planned: 3, BestValAccuracy: 0.92,
				SD: 0.02}, Difference: &difference, Low: &low, High: &high, WithinChance: &within},
		{Backbone: "alexnet", Mode: "scratch", A: compare.Group{Planned: 3}},
		{Backbone: "vgg11_bn", Mode: "scratch", A: compare.Group{Runs: 1, Planned: 1, BestValAccuracy: 0.5},
			B: compare.Group{Runs: 1, Planned: 1, BestValAccuracy: 0.5}, Difference: new(float64)},
	})
	for _, want := range []string{
		"resnet18 (weights seed:0)", "0.9400 ± 0.0100 (3)", "0.9200 ± 0.0200 (2 of 3 runs)", "-0.0200   within the " +
			"spread of the seeds (95 % interval -0.0500 to +0.0100)",
		"0 of 3 runs finished   —", "1 other mean is the same",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
